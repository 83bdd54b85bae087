import CPluginABI

/// A point of the plugin's own, where others may hook in:
///
/// ```swift
/// let saving = try host.point("save")
/// ...
/// let kept = try saving.run(Array(text.utf8)) { bytes in try store(bytes) }
/// ```
///
/// While nothing hangs on it, that costs one branch more than the work itself.
///
/// It is Sendable because a point may be used on every thread, and what it refers to never changes.
@safe
public struct Point: @unchecked Sendable {
    private let host: UnsafePointer<ph_host>
    private let functions: UnsafePointer<ph_hooks>
    private let raw: UnsafeMutablePointer<ph_point>

    init(
        unsafe host: UnsafePointer<ph_host>, _ functions: UnsafePointer<ph_hooks>,
        _ raw: UnsafeMutablePointer<ph_point>
    ) {
        unsafe self.host = unsafe host
        unsafe self.functions = functions
        unsafe self.raw = raw
    }

    /// Whether nothing hangs on it now.
    public var isEmpty: Bool { unsafe ph_point_is_empty(raw) != 0 }

    /// Does a piece of work with all hooks of the point around it.
    ///
    /// - Parameters:
    ///   - payload: what the work is given; hooks may change it.
    ///   - work: does it, on this thread, and returns what it comes to; not called when a hook
    ///     refuses it or does it instead.
    /// - Returns: what it came to at last.
    /// - Throws: `PointError` of the work, or with the words of the hook that refused it.
    public func run(
        _ payload: [UInt8], _ work: ([UInt8]) throws(PointError) -> [UInt8]
    ) throws(PointError) -> [UInt8] {
        if isEmpty { return try work(payload) }
        let result = withoutActuallyEscaping(work) { work in
            unsafe PointWork(unsafe: functions, work).run(host, raw, payload)
        }
        return try result.get()
    }
}

extension HostContext {
    /// Makes a point of the plugin's own, which others know as `plugin/name`.
    ///
    /// - Throws: `PluginError` when the manifest does not ask for `.hooks`, or when the name is not
    ///   made as plugins' names are.
    public func point(_ name: StaticString) throws(PluginError) -> Point {
        guard
            let functions = unsafe raw.service(Service.hooks.id)?
                .assumingMemoryBound(to: ph_hooks.self)
        else {
            throw PluginError(
                "there is no point without hooks", reasons: ["ph.hooks/1 was not granted"],
                remedy: "ask for .hooks in the manifest, and grant it", code: .serviceMissing)
        }
        var point: UnsafeMutablePointer<ph_point>? = nil
        let status =
            unsafe functions.pointee.define_point?(raw, ph_text(name), &point) ?? failed
        guard status >= done, let point = unsafe point else {
            throw PluginError("the name of a point is made as the names of plugins are")
        }
        return unsafe Point(unsafe: raw, functions, point)
    }
}

/// One run of a point, while it lasts.
@safe
private final class PointWork {
    private static let messageBytesMax = 1_024

    private let functions: UnsafePointer<ph_hooks>
    private let work: ([UInt8]) throws(PointError) -> [UInt8]
    private var outcome: [UInt8] = []
    /// Why the work itself was not done.
    private var failure: PointError?

    init(
        unsafe functions: UnsafePointer<ph_hooks>,
        _ work: @escaping ([UInt8]) throws(PointError) -> [UInt8]
    ) {
        unsafe self.functions = functions
        self.work = work
    }

    func run(
        _ host: UnsafePointer<ph_host>, _ point: UnsafeMutablePointer<ph_point>,
        _ payload: [UInt8]
    ) -> Result<[UInt8], PointError> {
        var message = ""
        let status = unsafe withUnsafeTemporaryAllocation(
            of: CChar.self, capacity: Self.messageBytesMax
        ) { room in
            var error = unsafe ph_error(
                size: UInt32(MemoryLayout<ph_error>.size), text: room.baseAddress,
                capacity: room.count, length: 0)
            let status = unsafe perform(host, point, payload, &error)
            let told = unsafe UnsafeRawBufferPointer(room)[..<min(error.length, room.count)]
            unsafe message = String(decoding: told, as: UTF8.self)
            return status
        }
        if status >= done { return .success(outcome) }
        if let failure { return .failure(failure) }
        return .failure(
            PointError(message.utf8.isEmpty ? "a hook refused it" : message, code: status))
    }

    private func perform(
        _ host: UnsafePointer<ph_host>, _ point: UnsafeMutablePointer<ph_point>,
        _ payload: [UInt8], _ error: UnsafeMutablePointer<ph_error>
    ) -> ph_status {
        var table = unsafe ph_work()
        unsafe table.size = UInt32(MemoryLayout<ph_work>.size)
        unsafe table.context = Unmanaged.passUnretained(self).toOpaque()
        unsafe table.perform = { context, call, _ in
            guard let context = unsafe context, let call = unsafe call else { return invalid }
            return unsafe Unmanaged<PointWork>.fromOpaque(context).takeUnretainedValue().perform(
                call)
        }
        unsafe table.take = { context, payload in
            guard let context = unsafe context else { return }
            unsafe Unmanaged<PointWork>.fromOpaque(context).takeUnretainedValue().outcome =
                RequestBody(unsafe: payload).array
        }
        return unsafe payload.withUnsafeBufferPointer { bytes in
            let bytes = unsafe ph_bytes(data: bytes.baseAddress, length: bytes.count)
            return unsafe functions.pointee.run?(host, point, bytes, &table, error) ?? failed
        }
    }

    private func perform(_ raw: UnsafePointer<ph_point_call>) -> ph_status {
        let call = unsafe PointCall(unsafe: functions, raw)
        do throws(PointError) {
            return call.give(try work(call.payload.array)) ? done : failed
        } catch {
            failure = error
            return error.code
        }
    }
}
