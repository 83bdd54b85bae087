/// One field line: its name and its value without the blanks around it.
///
/// The memory layout is {pointer, length, pointer, length}, 32 bytes, and is handed to C by layout.
public struct HeaderField: Equatable {
    /// A token, in the case in which it came.
    public var name: ByteSlice
    /// No control characters but tabs; bytes from 0x80 up are opaque.
    public var value: ByteSlice

    /// Makes a field of two borrowed slices.
    @inlinable @inline(__always)
    public init(name: ByteSlice, value: ByteSlice) {
        self.name = name
        self.value = value
    }

    /// Makes an empty field, to fill buffers with.
    @inlinable @inline(__always)
    public init() {
        name = ByteSlice()
        value = ByteSlice()
    }
}
