import HTTPWire

/// The fields of one response, gathered on the stack.
///
/// Most of them are slices of constants, or of what lives as long as the responder; what is made
/// for one response stands in a scratch of a size that is known beforehand.
@safe
struct ResponseFields {
    private let fields: UnsafeMutablePointer<HeaderField>
    private let scratch: UnsafeMutableRawBufferPointer
    private var count = 0
    private var used = 0

    /// The most fields besides those that the plugin's manifest names.
    private static let fieldsMax = 12
    /// Enough for the values that come from a file: a tag, a date, a range, a boundary.
    static let scratchBytes = 512

    /// Calls the body with an empty list that has room for `extra` more fields than files have.
    static func with<Result>(
        extra: Int = 0, scratchBytes: Int = ResponseFields.scratchBytes,
        _ body: (inout ResponseFields) -> Result
    ) -> Result {
        unsafe withUnsafeTemporaryAllocation(
            of: HeaderField.self, capacity: ResponseFields.fieldsMax + extra
        ) { fields in
            unsafe withUnsafeTemporaryAllocation(byteCount: scratchBytes, alignment: 1) { scratch in
                guard let base = fields.baseAddress else {
                    preconditionFailure("the allocation is not empty")
                }
                var list = unsafe ResponseFields(base, scratch)
                return body(&list)
            }
        }
    }

    private init(
        _ fields: UnsafeMutablePointer<HeaderField>, _ scratch: UnsafeMutableRawBufferPointer
    ) {
        unsafe self.fields = unsafe fields
        unsafe self.scratch = unsafe scratch
    }

    /// What has been added; valid as long as the list.
    var all: UnsafeBufferPointer<HeaderField> {
        unsafe UnsafeBufferPointer(start: fields, count: count)
    }

    mutating func add(_ name: StaticString, _ value: StaticString) {
        add(HeaderField(name: ByteSlice(name), value: ByteSlice(value)))
    }

    mutating func add(_ name: StaticString, _ value: ByteSlice) {
        add(HeaderField(name: ByteSlice(name), value: value))
    }

    mutating func add(_ field: HeaderField) {
        unsafe (fields + count).initialize(to: field)
        count += 1
    }

    /// Adds a text that is copied.
    mutating func add(_ name: StaticString, _ value: String) {
        var value = value
        let start = used
        value.withUTF8 { bytes in
            unsafe UnsafeMutableRawBufferPointer(rebasing: scratch[used...]).copyMemory(
                from: UnsafeRawBufferPointer(bytes))
            used += bytes.count
        }
        add(name, written(from: start))
    }

    /// Adds a moment, in seconds since 1970.
    mutating func add(_ name: StaticString, date seconds: Int64) {
        let start = used
        used += HTTPDate.length
        unsafe HTTPDate.format(
            secondsSinceEpoch: seconds,
            into: UnsafeMutableRawBufferPointer(rebasing: scratch[start..<used]))
        add(name, written(from: start))
    }

    /// Adds the entity tag of a file and returns it.
    mutating func addTag(of file: OpenFile, coding: ContentCoding?, now: Int64) -> ByteSlice {
        let start = used
        used += unsafe file.writeTag(
            coding: coding, now: now,
            to: UnsafeMutableRawBufferPointer(rebasing: scratch[start...]))
        let tag = written(from: start)
        add("ETag", tag)
        return tag
    }

    private func written(from start: Int) -> ByteSlice {
        unsafe ByteSlice(
            UnsafeRawBufferPointer(
                UnsafeMutableRawBufferPointer(rebasing: scratch[start..<used])))
    }
}
