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

    let point: HookPoint
    private let chain: PointChain
    private let plugin: String
    private let payloadGiven: UnsafeRawBufferPointer
    /// What hooks and the work have given instead; the last one counts, and the others are kept
    /// because somebody may be reading them.
    private var payloadsTaken: [OwnedBytes] = []
    /// The hooks that have entered and have not left, and their words.
    private var entered: [(link: PointChain.Link, word: UInt)] = []
    /// Why the work was ended by a hook.
    private(set) var refusal: (hook: RegisteredHook, reason: String)?
    private let inside = Mutex<RegisteredHook?>(nil)

    /// The hook that is being called; may be asked on every thread.
    var calling: RegisteredHook? { inside.withLock { $0 } }

    /// - Parameters:
    ///   - plugin: whose work it is; empty for the host's.
    ///   - payload: valid until the run is over.
    init(_ point: HookPoint, _ chain: PointChain, plugin: String, payload: UnsafeRawBufferPointer) {
        self.point = point
        self.chain = chain
        self.plugin = plugin
        unsafe payloadGiven = payload
    }

    /// The payload as it is now.
    var payload: UnsafeRawBufferPointer {
        unsafe payloadsTaken.last?.bytes ?? payloadGiven
    }

    /// Gives the work another payload, which is copied; false when it is too long.
    func take(_ payload: UnsafeRawBufferPointer) -> Bool {
        guard payload.count <= Self.payloadBytesMax else { return false }
        unsafe payloadsTaken.append(OwnedBytes(payload))
        return true
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

    private func call(
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
                defer { ImageContext.leave(context) }
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
                    let payload = unsafe self.payload
                    var frame = unsafe Frame(
                        call: ph_point_call(
                            size: UInt32(MemoryLayout<ph_point_call>.size), reserved: 0,
                            point: point, plugin: plugin,
                            payload: ph_bytes(
                                data: payload.baseAddress?.assumingMemoryBound(to: UInt8.self),
                                length: payload.count),
                            word: word),
                        run: Unmanaged.passUnretained(self))
                    return unsafe withUnsafePointer(to: &frame) { frame in
                        unsafe body(
                            UnsafeRawPointer(frame).assumingMemoryBound(to: ph_point_call.self))
                    }
                }
            }
        }
    }
}
