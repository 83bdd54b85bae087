import Glibc

/// What the kernel says is mapped into this process.
struct MemoryMap {
    /// One line of /proc/self/maps.
    struct Mapping: Equatable {
        var start: UInt
        var end: UInt
        var path: String
    }

    /// Whether nothing at all is mapped in an address range.
    ///
    /// Asks the kernel to map there without replacing anything, which it does only where all is
    /// free, and takes it back. Two calls, where reading the whole map takes 6 ms with a thousand
    /// images.
    ///
    /// - Source: mmap(2), MAP_FIXED_NOREPLACE.
    static func isFree(_ range: Range<UInt>) -> Bool {
        guard let start = unsafe UnsafeMutableRawPointer(bitPattern: range.lowerBound) else {
            return range.isEmpty
        }
        let noReplace: Int32 = 0x10_0000
        let got = unsafe mmap(
            start, range.count, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | noReplace, -1, 0)
        guard unsafe got != MAP_FAILED, let got = unsafe got else { return false }
        let isThere = unsafe got == start
        unsafe munmap(got, range.count)
        return isThere
    }

    /// The bytes in an address range that are private to this process: pages in memory or swapped
    /// out that belong to no file.
    ///
    /// - Source: the kernel's "pagemap, from the userspace perspective": of each page's 64 bits, 63
    ///   says present, 62 swapped, 61 a file's or shared.
    static func privateBytes(in range: Range<UInt>) -> Int {
        let page = UInt(sysconf(Int32(_SC_PAGESIZE)))
        let count = Int((range.upperBound - range.lowerBound) / page)
        guard count > 0 else { return 0 }
        let fd = unsafe Glibc.open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC)
        guard fd >= 0 else { return 0 }
        defer { Glibc.close(fd) }
        var entries = [UInt64](repeating: 0, count: count)
        let got = unsafe entries.withUnsafeMutableBytes {
            unsafe pread(fd, $0.baseAddress, $0.count, off_t(range.lowerBound / page) * 8)
        }
        guard got > 0 else { return 0 }
        return entries.prefix(got / 8).count { $0 >> 62 != 0 && $0 >> 61 & 1 == 0 } * Int(page)
    }

    /// The mappings of a file.
    ///
    /// - Source: proc(5), /proc/pid/maps. The kernel writes ` (deleted)` behind the path of a
    ///   removed file.
    static func mappings(of path: String) -> [Mapping] {
        guard let text = read() else { return [] }
        var found: [Mapping] = []
        let wanted = Array(path.utf8)
        for line in text.split(separator: UInt8(ascii: "\n")) {
            guard let dash = line.firstIndex(of: UInt8(ascii: "-")),
                let space = line[dash...].firstIndex(of: UInt8(ascii: " ")),
                let start = hexadecimal(line[line.startIndex..<dash]),
                let end = hexadecimal(line[(dash + 1)..<space])
            else { continue }
            let name = line.firstIndex(of: UInt8(ascii: "/")).map { line[$0...] } ?? []
            let isFile =
                name.starts(with: wanted)
                && (name.count == wanted.count || name.dropFirst(wanted.count).first == 0x20)
            if isFile {
                found.append(
                    Mapping(start: start, end: end, path: String(decoding: name, as: UTF8.self)))
            }
        }
        return found
    }

    private static func hexadecimal(_ digits: ArraySlice<UInt8>) -> UInt? {
        var value: UInt = 0
        for digit in digits {
            switch digit {
            case 0x30...0x39: value = value << 4 | UInt(digit - 0x30)
            case 0x61...0x66: value = value << 4 | UInt(digit - 0x61 + 10)
            default: return nil
            }
        }
        return value
    }

    private static func read() -> [UInt8]? {
        let fd = unsafe Glibc.open("/proc/self/maps", O_RDONLY | O_CLOEXEC)
        guard fd >= 0 else { return nil }
        defer { Glibc.close(fd) }
        var text: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let got = unsafe Glibc.read(fd, &buffer, buffer.count)
            if got < 0 && errno == EINTR { continue }
            guard got > 0 else { return got == 0 ? text : nil }
            text.append(contentsOf: buffer[0..<got])
        }
    }
}
