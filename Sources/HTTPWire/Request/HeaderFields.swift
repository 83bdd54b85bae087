/// The fields of one head in the order in which they came; borrowed like its slices.
@safe
public struct HeaderFields: Sequence {
    let base: UnsafePointer<HeaderField>?
    /// The number of fields.
    public let count: Int

    /// Makes a view of the first `count` fields of a buffer.
    public init(_ fields: UnsafeMutableBufferPointer<HeaderField>, count: Int) {
        precondition(count >= 0 && count <= fields.count, "more fields than the buffer holds")
        unsafe base = UnsafePointer(fields.baseAddress)
        self.count = count
    }

    /// The field at `index`, which counts from 0 and must be below `count`.
    public subscript(index: Int) -> HeaderField {
        precondition(index >= 0 && index < count, "index outside the fields")
        return unsafe base.unsafelyUnwrapped[index]
    }

    /// The value of the first field of that name, compared without case, or `nil`.
    public func firstValue(named name: StaticString) -> ByteSlice? {
        for index in 0..<count where self[index].name.equalsIgnoringCase(name) {
            return self[index].value
        }
        return nil
    }

    /// The fields one after another.
    public func makeIterator() -> Iterator { Iterator(fields: self) }

    /// Walks through the fields.
    public struct Iterator: IteratorProtocol {
        let fields: HeaderFields
        var index = 0

        /// The next field, or `nil` after the last.
        public mutating func next() -> HeaderField? {
            guard index < fields.count else { return nil }
            defer { index += 1 }
            return fields[index]
        }
    }
}
