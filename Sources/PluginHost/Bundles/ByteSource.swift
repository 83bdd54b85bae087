internal import HostModel

/// Something that bytes can be read from, once, in order.
protocol ByteSource: AnyObject {
    /// Fills the buffer as far as possible and returns how many bytes came; 0 only at the end.
    func read(into buffer: UnsafeMutableRawBufferPointer) throws(HostError) -> Int
}
