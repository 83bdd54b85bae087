/// A piece of memory that lives as long as its owner.
@safe
struct ByteBuffer: ~Copyable {
    /// The memory; not to be used after the owner is gone.
    let bytes: UnsafeMutableRawBufferPointer

    init(count: Int) { unsafe bytes = .allocate(byteCount: count, alignment: 16) }

    deinit { unsafe bytes.deallocate() }
}
