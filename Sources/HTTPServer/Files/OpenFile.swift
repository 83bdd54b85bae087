import CLinux
import HTTPWire

/// An open regular file and what was true of it when it was opened.
struct OpenFile {
    let descriptor: Int32
    let size: UInt64
    let modifiedSeconds: Int64
    let modifiedNanoseconds: Int64
    let inode: UInt64

    init(descriptor: Int32, facts: linux_file_facts) {
        self.descriptor = descriptor
        size = facts.size
        modifiedSeconds = facts.modified_seconds
        modifiedNanoseconds = facts.modified_nanoseconds
        inode = facts.inode
    }

    func close() { linux_close(descriptor) }

    /// Writes the name of the file's state, at most 96 bytes, and returns its length.
    ///
    /// It is strong, made of inode, size and modification time; weak for a file that changed within
    /// the last two seconds, because it may change again without its time showing it.
    func writeTag(
        coding: ContentCoding?, now: Int64, to room: UnsafeMutableRawBufferPointer
    ) -> Int {
        var at = 0
        func put(_ text: StaticString) {
            let text = ByteSlice(text)
            for index in 0..<text.count { unsafe room[at + index] = text[index] }
            at += text.count
        }
        func put(_ number: UInt64) {
            var shift = max(0, 60 - number.leadingZeroBitCount & ~3)
            while shift >= 0 {
                let digit = UInt8(truncatingIfNeeded: number &>> UInt64(shift)) & 15
                unsafe room[at] = digit < 10 ? 0x30 + digit : 0x57 + digit
                at += 1
                shift -= 4
            }
        }
        put(modifiedSeconds >= now - 2 ? "W/\"" : "\"")
        put(inode)
        put("-")
        put(size)
        put("-")
        put(UInt64(bitPattern: modifiedSeconds))
        put(".")
        put(UInt64(bitPattern: modifiedNanoseconds))
        if let coding {
            put("-")
            put(coding.name)
        }
        put("\"")
        return at
    }
}
