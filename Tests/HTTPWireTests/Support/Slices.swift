import HTTPWire
import Testing

/// Calls the body with a slice of the text's bytes.
func withSlice<Result>(_ text: String, _ body: (ByteSlice) throws -> Result) rethrows -> Result {
    try Array(text.utf8).withUnsafeBytes { try body(ByteSlice($0)) }
}

/// The bytes that the body writes into a room of that size, as text.
func written(room: Int = 512, _ body: (inout ResponseWriter) -> Void) -> String {
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: room, alignment: 1)
    defer { buffer.deallocate() }
    var writer = ResponseWriter(buffer)
    body(&writer)
    return String(decoding: buffer[0..<writer.count], as: UTF8.self)
}

/// Expects a condition whose evaluation changes a value, which the macro cannot take apart.
func check(_ condition: Bool, sourceLocation: SourceLocation = #_sourceLocation) {
    #expect(condition, sourceLocation: sourceLocation)
}
