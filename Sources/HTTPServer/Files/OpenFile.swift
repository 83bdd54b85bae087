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

    /// The name of the file's state: strong, made of inode, size and modification time; weak for a
    /// file that changed within the last two seconds, because it may change again without its time
    /// showing it.
    func entityTag(coding: ContentCoding?, now: Int64) -> [UInt8] {
        var tag: [UInt8] = []
        tag.reserveCapacity(80)
        let isFresh = modifiedSeconds >= now - 2
        tag += (isFresh ? "W/\"" : "\"").utf8
        OpenFile.append(inode, to: &tag)
        tag.append(UInt8(ascii: "-"))
        OpenFile.append(size, to: &tag)
        tag.append(UInt8(ascii: "-"))
        OpenFile.append(UInt64(bitPattern: modifiedSeconds), to: &tag)
        tag.append(UInt8(ascii: "."))
        OpenFile.append(UInt64(bitPattern: modifiedNanoseconds), to: &tag)
        if let coding {
            tag.append(UInt8(ascii: "-"))
            tag += coding.name.description.utf8
        }
        tag.append(UInt8(ascii: "\""))
        return tag
    }

    /// Appends a number in hexadecimal.
    private static func append(_ number: UInt64, to text: inout [UInt8]) {
        var shift = max(0, 60 - number.leadingZeroBitCount & ~3)
        while shift >= 0 {
            let digit = UInt8(truncatingIfNeeded: number >> UInt64(shift)) & 15
            text.append(digit < 10 ? 0x30 + digit : 0x57 + digit)
            shift -= 4
        }
    }
}
