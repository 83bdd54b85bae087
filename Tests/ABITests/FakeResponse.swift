import CPluginABI
import Foundation

/// One response that a plugin owes: records what the plugin does with it, and answers as the
/// header says.
final class FakeResponse: @unchecked Sendable {  // because every access holds the condition's lock
    enum State {
        case owed, begun, completed, cut
    }

    private let condition = NSCondition()
    private var recordedState = State.owed
    private var recordedObserver: ph_observer?
    private var recordedOnDraining: OnDraining?
    private var recordedStatus: UInt32 = 0
    private var recordedBody = Data()
    private var declaredLength: UInt64?
    private var writeCount = 0
    private var recordedTrailers: [(String, String)] = []
    private var recordedMisuses: [String] = []
    private var isFull = false
    private var isPaused = false
    /// Every so many writes the client is slow; 0: never.
    private let fullEvery: Int

    init(fullEvery: Int) {
        self.fullEvery = fullEvery
    }

    var state: State { condition.withLock { recordedState } }
    var status: UInt32 { condition.withLock { recordedStatus } }
    var body: Data { condition.withLock { recordedBody } }
    var observer: ph_observer? { condition.withLock { recordedObserver } }
    var trailers: [(String, String)] { condition.withLock { recordedTrailers } }
    /// What the plugin did against the rules.
    var misuses: [String] { condition.withLock { recordedMisuses } }
    var isOver: Bool { state == .completed || state == .cut }

    /// What the loop has to do next for this exchange.
    enum Need {
        case writable, body, nothing
    }

    /// Waits until something has to be done, or the response is complete; false after a deadline.
    func waitForNeed(_ need: inout Need, mayGiveBody: Bool) -> Bool {
        condition.withLock {
            let deadline = Date(timeIntervalSinceNow: 20)
            while true {
                need = .nothing
                if recordedState == .completed || recordedState == .cut { return true }
                if isFull { need = .writable }
                if mayGiveBody && !isPaused { need = .body }
                if need != .nothing { return true }
                if !condition.wait(until: deadline) { return false }
            }
        }
    }

    /// Set before on_body is called, since another thread may resume before it returns.
    func pause() { condition.withLock { isPaused = true } }
    func unpause() { condition.withLock { isPaused = false } }
    func setWritable() { condition.withLock { isFull = false } }

    /// Waits until the body has at least so many bytes; false after a deadline.
    func waitForBody(count: Int) -> Bool {
        condition.withLock {
            let deadline = Date(timeIntervalSinceNow: 20)
            while recordedBody.count < count {
                if !condition.wait(until: deadline) { return false }
            }
            return true
        }
    }

    func respond(_ status: UInt32, _ headers: [ph_header], _ bytes: ph_bytes) -> ph_status {
        change("respond") {
            guard recordedState == .owed else { return .wrongState }
            guard Self.isValid(status, headers) else { return .invalid }
            recordedStatus = status
            recordedBody.append(bytes)
            recordedState = .completed
            return .ok
        }
    }

    func begin(_ status: UInt32, _ headers: [ph_header], _ length: UInt64) -> ph_status {
        change("begin") {
            guard recordedState == .owed else { return .wrongState }
            guard Self.isValid(status, headers) else { return .invalid }
            recordedStatus = status
            declaredLength = length == UInt64.max ? nil : length
            recordedState = .begun
            return .ok
        }
    }

    func write(_ bytes: ph_bytes) -> ph_status {
        change("write") {
            guard recordedState == .begun else { return .wrongState }
            if let declaredLength, UInt64(recordedBody.count + bytes.length) > declaredLength {
                return .limit
            }
            recordedBody.append(bytes)
            writeCount += 1
            if fullEvery > 0 && writeCount % fullEvery == 0 { isFull = true }
            return isFull ? .full : .ok
        }
    }

    func finish() -> ph_status {
        change("finish") {
            guard recordedState == .begun else { return .wrongState }
            let isWhole = declaredLength.map { $0 == UInt64(recordedBody.count) } ?? true
            recordedState = isWhole ? .completed : .cut
            return .ok
        }
    }

    func finish(trailers: [ph_header]) -> ph_status {
        let isValid = Self.isValid(200, trailers)
        condition.withLock {
            if isValid { recordedTrailers = trailers.map { ($0.name.string, $0.value.string) } }
        }
        return isValid ? finish() : .invalid
    }

    /// Text that lives as long as the response.
    let requestID = "request-1".abiText
    let traceParent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".abiText

    func abort() {
        _ = change("abort") {
            recordedState = .cut
            return .ok
        }
    }

    func observe(_ observer: ph_observer) -> ph_status {
        change("observe") {
            guard recordedObserver == nil else { return .wrongState }
            recordedObserver = observer
            return .ok
        }
    }

    typealias OnDraining = @convention(c) (UnsafeMutableRawPointer?) -> Void

    func observeDraining(_ onDraining: OnDraining?) -> ph_status {
        change("observe_draining") {
            guard recordedObserver != nil else { return .wrongState }
            recordedOnDraining = onDraining
            return .ok
        }
    }

    /// Tells the plugin that the host waits for the response.
    func drain() {
        let (observer, onDraining) = condition.withLock { (recordedObserver, recordedOnDraining) }
        onDraining?(observer?.context)
    }

    func resumeBody() -> ph_status {
        change("resume_body") {
            isPaused = false
            return .ok
        }
    }

    private func change(_ what: String, _ body: () -> ph_status) -> ph_status {
        condition.withLock {
            if recordedState == .completed || recordedState == .cut {
                recordedMisuses.append("\(what) after completion")
                return .wrongState
            }
            defer { condition.broadcast() }
            return body()
        }
    }

    private static func isValid(_ status: UInt32, _ headers: [ph_header]) -> Bool {
        let hostOwned = ["content-length", "transfer-encoding", "connection", "date"]
        return (200...599).contains(status)
            && headers.allSatisfy { header in
                let name = header.name.string
                return !name.isEmpty && name.allSatisfy { $0.isLetter || $0.isNumber || $0 == "-" }
                    && !hostOwned.contains(name.lowercased())
                    && !header.value.string.unicodeScalars.contains {
                        ["\r", "\n", "\0"].contains($0)
                    }
            }
    }
}

extension ph_status {
    static let ok: ph_status = 0
    static let pending: ph_status = 1
    static let full: ph_status = 2
    static let pause: ph_status = 3
    static let failed: ph_status = -1
    static let invalid: ph_status = -2
    static let wrongState: ph_status = -3
    static let closed: ph_status = -4
    static let limit: ph_status = -5
}

extension ph_text {
    var string: String {
        String(
            decoding: UnsafeRawBufferPointer(start: data, count: length), as: UTF8.self)
    }
}

extension Data {
    mutating func append(_ bytes: ph_bytes) {
        append(contentsOf: UnsafeRawBufferPointer(start: bytes.data, count: bytes.length))
    }
}
