import CLinux
import CPluginABI
import DynamicLibrary
import Glibc
import HostModel
import Synchronization

/// One piece of work at a point, with the hooks around it.
///
/// The hooks are those that were there when it began. Each one's generation is held from when it
/// enters until it has left; one that has closed its gate is passed over.
@safe
final class PointRun {
    /// The most bytes of a payload that a hook gives.
    static let payloadBytesMax = 16 << 20
    private static let messageBytesMax = 1_024

    /// What a hook or the work is shown, with the way back here behind it.
    @unsafe
    struct Frame {
        var call: ph_point_call
        let run: Unmanaged<PointRun>
    }

    /// Which method is called, at the point of calls.
    struct Callee: Sendable {
        var provider: String
        var method: OfferedMethod.Key
    }

    let point: HookPoint
    private let chain: PointChain
    private let plugin: String
    private let callee: Callee?
    private let payloadGiven: UnsafeRawBufferPointer
    /// What hooks and the work have given instead; the last one counts, and the others are kept
    /// because somebody may be reading them.
    private var payloadsTaken: [OwnedBytes] = []
    /// The hooks that have entered and have not left, and their words.
    private var entered: [(link: PointChain.Link, word: UInt)] = []
    /// Which processes have been asked, by the hooks of those that have some.
    var takers: [ObjectIdentifier: RemoteHook.Taker] = [:]
    /// Why the work was ended by a hook.
    private(set) var refusal: (hook: RegisteredHook, reason: String)?
    private let inside = Mutex<RegisteredHook?>(nil)

    /// The hook that is being called; may be asked on every thread.
    var calling: RegisteredHook? { inside.withLock { $0 } }

    /// - Parameters:
    ///   - plugin: whose work it is; empty for the host's.
    ///   - callee: what is called, at the point of calls.
    ///   - payload: valid until the run is over, or has been settled.
    init(
        _ point: HookPoint, _ chain: PointChain, plugin: String, callee: Callee? = nil,
        payload: UnsafeRawBufferPointer
    ) {
        self.point = point
        self.chain = chain
        self.plugin = plugin
        self.callee = callee
        unsafe payloadGiven = payload
    }

    /// The payload as it is now.
    var payload: UnsafeRawBufferPointer {
        unsafe payloadsTaken.last?.bytes ?? payloadGiven
    }

    /// Whether somebody has given another payload.
    var hasOtherPayload: Bool { !payloadsTaken.isEmpty }

    /// How often somebody has.
    var payloadsGiven: Int { payloadsTaken.count }

    /// Gives the work another payload, which is copied; false when it is too long.
    func take(_ payload: UnsafeRawBufferPointer) -> Bool {
        guard payload.count <= Self.payloadBytesMax else { return false }
        unsafe settle(payload)
        return true
    }

    /// Gives what the work has come to, however long that is; it is copied.
    func settle(_ payload: UnsafeRawBufferPointer) {
        unsafe payloadsTaken.append(OwnedBytes(payload))
    }

    /// The run behind what a hook was shown.
    static func of(_ call: UnsafePointer<ph_point_call>) -> PointRun {
        unsafe UnsafeRawPointer(call).assumingMemoryBound(to: Frame.self).pointee.run
            .takeUnretainedValue()
    }

    // MARK: - The run

    /// Does it all: hooks enter, the work is done by one of them or by `perform`, hooks leave.
    ///
    /// - Parameter perform: does the work; not called when a hook has refused it.
    func run(_ perform: (PointRun) -> ph_status) -> ph_status {
        var status = enter()
        if status >= PH_OK { status = replace() ?? perform(self) }
        return leave(status)
    }

    /// Has the hooks enter until one of them refuses.
    func enter() -> ph_status {
        for link in chain.outer {
            guard !link.hook.isDisabled, link.member.gate.enter() else { continue }
            var word: UnsafeMutableRawPointer?
            guard let enter = unsafe link.hook.functions.pointEnter else {
                entered.append((link, 0))
                continue
            }
            let (status, reason) = unsafe call(link.hook, &word) { context, call, error in
                unsafe enter(context, call, error)
            }
            guard status >= PH_OK else {
                link.member.gate.leave()
                guard link.hook.fail(Self.told(status, reason)) else { continue }
                refusal = (link.hook, reason)
                return status
            }
            if link.hook.options.kind.leaves {
                entered.append((link, UInt(bitPattern: word)))
            } else {
                link.member.gate.leave()
            }
        }
        return ph_status(PH_OK)
    }

    /// Has a hook do the work; nil if none does.
    func replace() -> ph_status? {
        for link in chain.replacing {
            guard !link.hook.isDisabled, link.member.gate.enter(),
                let enter = unsafe link.hook.functions.pointEnter
            else { continue }
            defer { link.member.gate.leave() }
            var word: UnsafeMutableRawPointer?
            let (status, reason) = unsafe call(link.hook, &word) { context, call, error in
                unsafe enter(context, call, error)
            }
            if status >= PH_OK { return status }
            guard status != PH_UNSUPPORTED, link.hook.fail(Self.told(status, reason)) else {
                continue
            }
            refusal = (link.hook, reason)
            return status
        }
        return nil
    }

    /// Has the hooks leave that have entered, the last one first; returns what the work came to.
    func leave(_ result: ph_status) -> ph_status {
        while let (link, bits) = entered.popLast() {
            defer { link.member.gate.leave() }
            guard !link.hook.isDisabled, let leave = unsafe link.hook.functions.pointLeave else {
                continue
            }
            var word = unsafe UnsafeMutableRawPointer(bitPattern: bits)
            let (status, reason) = unsafe call(link.hook, &word) { context, call, error in
                unsafe leave(context, call, result, error)
            }
            if status < PH_OK { _ = link.hook.fail(Self.told(status, reason)) }
        }
        return result
    }

    /// Shows the work to whoever does it, as hooks are shown it.
    func show<Result>(_ body: (UnsafePointer<ph_point_call>) -> Result) -> Result {
        var word: UnsafeMutableRawPointer?
        return unsafe withCall(&word) { unsafe body($0) }
    }

    private static func told(_ status: ph_status, _ reason: String) -> String {
        reason.isEmpty ? "it returned \(status)" : "it returned \(status): \(reason)"
    }

    /// Calls a function of a hook, and returns with what words it has failed.
    func call(
        _ hook: RegisteredHook, _ word: inout UnsafeMutableRawPointer?,
        _ body: (
            UnsafeMutableRawPointer?, UnsafePointer<ph_point_call>, UnsafeMutablePointer<ph_error>
        ) -> ph_status
    ) -> (ph_status, String) {
        hook.countCall()
        inside.withLock { $0 = hook }
        defer { inside.withLock { $0 = nil } }
        return unsafe withUnsafeTemporaryAllocation(of: CChar.self, capacity: Self.messageBytesMax)
        { buffer in
            var error = unsafe ph_error(
                size: UInt32(MemoryLayout<ph_error>.size), text: buffer.baseAddress,
                capacity: buffer.count, length: 0)
            let status = unsafe withCall(&word) { call in
                let context = unsafe ImageContext.enter(hook.record.pointee.image)
                linux_enter_hook()
                defer {
                    linux_leave_hook()
                    ImageContext.leave(context)
                }
                return unsafe body(hook.functions.context, call, &error)
            }
            let length = unsafe min(error.length, buffer.count)
            return unsafe (
                status,
                String(decoding: UnsafeRawBufferPointer(buffer)[..<length], as: UTF8.self)
            )
        }
    }

    private func withCall<Result>(
        _ word: inout UnsafeMutableRawPointer?, _ body: (UnsafePointer<ph_point_call>) -> Result
    ) -> Result {
        unsafe withText(point.name.description) { point in
            unsafe withText(plugin) { plugin in
                unsafe withUnsafeMutablePointer(to: &word) { word in
                    var call = unsafe ph_point_call()
                    unsafe call.size = UInt32(MemoryLayout<ph_point_call>.size)
                    unsafe call.point = unsafe point
                    unsafe call.plugin = unsafe plugin
                    unsafe call.payload.data = payload.baseAddress?.assumingMemoryBound(
                        to: UInt8.self)
                    unsafe call.payload.length = payload.count
                    unsafe call.word = unsafe word
                    guard let callee else { return unsafe show(call, body) }
                    return unsafe withText(callee.provider) { provider in
                        unsafe withText(callee.method.capability) { capability in
                            unsafe withText(callee.method.name) { method in
                                unsafe call.provider = unsafe provider
                                unsafe call.capability = unsafe capability
                                unsafe call.method = unsafe method
                                return unsafe show(call, body)
                            }
                        }
                    }
                }
            }
        }
    }

    private func show<Result>(
        _ call: ph_point_call, _ body: (UnsafePointer<ph_point_call>) -> Result
    ) -> Result {
        var frame = unsafe Frame(call: call, run: Unmanaged.passUnretained(self))
        return unsafe withUnsafePointer(to: &frame) { frame in
            unsafe body(UnsafeRawPointer(frame).assumingMemoryBound(to: ph_point_call.self))
        }
    }
}
