import Glibc

/// Lends buffers of one size; the last one given back is lent first, because its bytes are still in
/// the cache.
///
/// Other sizes go through the same door and come from the allocator, or from the kernel where they
/// are so large that the allocator might keep them. Idle connections hold no buffer at all, so the
/// number of buffers follows the work in hand and not the number of connections.
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
        if let buffer = unsafe lendKept(count) {
            return unsafe (buffer, BufferPool.bufferBytes)
        }
        return unsafe allocate(count)
    }

    /// Lends a buffer of the pooled size if one is kept and has at least `count` bytes.
    @inline(__always)
    mutating func lendKept(_ count: Int) -> UnsafeMutableRawPointer? {
        guard count <= BufferPool.bufferBytes, let buffer = unsafe free else { return nil }
        unsafe free = buffer.load(as: UnsafeMutableRawPointer?.self)
        keptCount &-= 1
        return unsafe buffer
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
        return unsafe capacity < BufferPool.mappedBytesMin
            ? (.allocate(byteCount: capacity, alignment: 16), capacity)
            : (BufferPool.map(capacity), capacity)
    }

    /// From this size on a buffer is mapped by itself, so that what a thousand slow clients have
    /// taken up is the system's again when they are gone.
    private static let mappedBytesMin = 256 << 10

    private static func map(_ count: Int) -> UnsafeMutableRawPointer {
        let base = unsafe mmap(
            nil, count, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        guard let base = unsafe base, UInt(bitPattern: base) != UInt.max else {
            // As where the allocator has none.
            preconditionFailure("there is no memory")
        }
        return unsafe base
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
            if capacity < BufferPool.mappedBytesMin {
                unsafe buffer.deallocate()
            } else {
                unsafe munmap(buffer, capacity)
            }
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
