import HTTPWire

/// Fields of a response that is not on the hottest path: names and values in one buffer.
struct ResponseFieldList {
    private var bytes: [UInt8] = []
    private var ends: [(name: Int, value: Int)] = []

    init() {
        bytes.reserveCapacity(512)
        ends.reserveCapacity(12)
    }

    mutating func add(_ name: StaticString, _ value: StaticString) {
        begin(name)
        append(value)
        end()
    }

    mutating func add(_ name: StaticString, _ value: some Collection<UInt8>) {
        begin(name)
        bytes += value
        end()
    }

    mutating func add(_ name: StaticString, _ value: String) { add(name, value.utf8) }

    mutating func add(_ header: StaticFileOptions.Header) {
        bytes += header.name.utf8
        ends.append((bytes.count, 0))
        bytes += header.value.utf8
        end()
    }

    /// Adds a field whose value is a moment, in seconds since 1970.
    mutating func add(_ name: StaticString, date seconds: Int64) {
        begin(name)
        unsafe withUnsafeTemporaryAllocation(byteCount: HTTPDate.length, alignment: 1) { room in
            unsafe HTTPDate.format(secondsSinceEpoch: seconds, into: room)
            unsafe bytes.append(contentsOf: room)
        }
        end()
    }

    private mutating func begin(_ name: StaticString) {
        append(name)
        ends.append((bytes.count, 0))
    }

    private mutating func append(_ text: StaticString) {
        unsafe bytes.append(
            contentsOf: UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    private mutating func end() { ends[ends.count - 1].value = bytes.count }

    /// Calls `body` with the fields; they are valid only within.
    func withFields<R>(_ body: (UnsafeBufferPointer<HeaderField>) -> R) -> R {
        unsafe bytes.withUnsafeBytes { all in
            func slice(_ range: Range<Int>) -> ByteSlice {
                unsafe ByteSlice(UnsafeRawBufferPointer(rebasing: all[range]))
            }
            var start = 0
            let fields = ends.map { end in
                defer { start = end.value }
                return HeaderField(
                    name: slice(start..<end.name), value: slice(end.name..<end.value))
            }
            return unsafe fields.withUnsafeBufferPointer(body)
        }
    }
}
