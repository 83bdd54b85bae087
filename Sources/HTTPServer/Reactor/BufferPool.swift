import Glibc

/// Lends buffers of one size; the last one given back is lent first, because its bytes are still in
/// the cache.
///
/// Other sizes go through the same door and come from the allocator. Idle connections hold no
/// buffer at all, so the number of buffers follows the work in hand and not the number of
/// connections.
@safe
struct BufferPool {
    /// The size of pooled buffers.
    static let bufferBytes = 16 << 10
    /// The most buffers that are kept while nobody needs them.
    static let keptMax = 256

    private var free: UnsafeMutableRawPointer?
    private var keptCount = 0
    /// The bytes of all buffers, lent and kept, and the most that they have been.
    private(set) var bytes = 0
    private(set) var bytesPeak = 0

    init() { unsafe free = nil }

    /// Lends a buffer of at least `count` bytes and says its size.
    @inline(__always)
    mutating func lend(_ count: Int) -> (base: UnsafeMutableRawPointer, capacity: Int) {
        if count <= BufferPool.bufferBytes, let buffer = unsafe free {
            unsafe free = buffer.load(as: UnsafeMutableRawPointer?.self)
            keptCount &-= 1
            return unsafe (buffer, BufferPool.bufferBytes)
        }
        return unsafe allocate(count)
    }

    /// The size of the buffer that is lent for `count` bytes.
    static func capacity(for count: Int) -> Int {
        var capacity = bufferBytes
        while capacity < count { capacity *= 2 }
        return capacity
    }

    @inline(never)
    private mutating func allocate(_ count: Int) -> (base: UnsafeMutableRawPointer, capacity: Int) {
        let capacity = BufferPool.capacity(for: count)
        bytes += capacity
        bytesPeak = max(bytesPeak, bytes)
        return (.allocate(byteCount: capacity, alignment: 16), capacity)
    }

    /// Lends a small buffer that is not pooled.
    mutating func lendSmall(_ count: Int) -> UnsafeMutableRawPointer {
        bytes += count
        bytesPeak = max(bytesPeak, bytes)
        return .allocate(byteCount: count, alignment: 16)
    }

    /// Takes back a buffer that was lent with this size.
    @inline(__always)
    mutating func giveBack(_ buffer: UnsafeMutableRawPointer, capacity: Int) {
        if capacity == BufferPool.bufferBytes, keptCount < BufferPool.keptMax {
            unsafe buffer.storeBytes(of: free, as: UnsafeMutableRawPointer?.self)
            unsafe free = buffer
            keptCount &+= 1
        } else {
            bytes -= capacity
            unsafe buffer.deallocate()
        }
    }

    /// Frees what is kept.
    mutating func empty() {
        while let buffer = unsafe free {
            unsafe free = buffer.load(as: UnsafeMutableRawPointer?.self)
            unsafe buffer.deallocate()
        }
        keptCount = 0
    }
}
