import CPluginABI

/// A request of the host's as a hook in this process is shown it.
///
/// `@unchecked Sendable` because nothing in it changes after init.
@safe
final class ShownRequest: @unchecked Sendable {
    /// What the request is called, and its trace.
    let names: (request: ph_text, trace: ph_text)
    private let request: UnsafeMutablePointer<ph_request>
    private let parameters: UnsafeMutableBufferPointer<ph_text>
    private let headers: UnsafeMutableBufferPointer<ph_header>
    private let plugin: ph_text
    private let method: ph_text
    private let pattern: ph_text
    private let generation: UInt64
    private let octets: OwnedBytes

    /// Reads what `Parcel.put` has written.
    init(_ reader: inout ParcelReader) {
        octets = reader.octets
        unsafe plugin = reader.text()
        unsafe method = reader.text()
        unsafe pattern = reader.text()
        generation = reader.number()
        unsafe names = unsafe (reader.text(), reader.text())
        var shown = unsafe ph_request()
        unsafe shown.size = UInt32(MemoryLayout<ph_request>.size)
        unsafe shown.route = UInt32(truncatingIfNeeded: reader.number())
        unsafe shown.content_length = reader.number()
        unsafe shown.method = reader.text()
        unsafe shown.path = reader.text()
        unsafe shown.query = reader.text()
        unsafe shown.remote_address = reader.text()
        let count = reader.count(of: 8)
        unsafe parameters = .allocate(capacity: count)
        for index in 0..<count {
            unsafe parameters.initializeElement(at: index, to: reader.text())
        }
        let fields = unsafe reader.headers()
        unsafe headers = .allocate(capacity: fields.count)
        _ = unsafe headers.initialize(fromContentsOf: fields)
        unsafe shown.parameters = UnsafePointer(parameters.baseAddress)
        unsafe shown.parameter_count = parameters.count
        unsafe shown.headers = UnsafePointer(headers.baseAddress)
        unsafe shown.header_count = headers.count
        unsafe shown.body = reader.data()
        unsafe request = .allocate(capacity: 1)
        unsafe request.initialize(to: shown)
    }

    deinit {
        unsafe request.deallocate()
        unsafe parameters.deallocate()
        unsafe headers.deallocate()
    }

    /// Lends it as the header of hooks has it.
    func withCall<Result>(
        _ word: inout UnsafeMutableRawPointer?, _ response: OpaquePointer?,
        _ body: (UnsafePointer<ph_request_call>) -> Result
    ) -> Result {
        unsafe withUnsafeMutablePointer(to: &word) { word in
            var call = unsafe ph_request_call()
            unsafe call.size = UInt32(MemoryLayout<ph_request_call>.size)
            unsafe call.request = UnsafePointer(request)
            unsafe call.response = response
            unsafe call.plugin = plugin
            unsafe call.method = method
            unsafe call.pattern = pattern
            unsafe call.generation = generation
            unsafe call.word = word
            return unsafe body(&call)
        }
    }
}
