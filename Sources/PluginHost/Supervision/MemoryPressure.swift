internal import Glibc

/// What the kernel tells of processes that it has killed for lack of memory.
enum MemoryPressure {
    /// How many it has killed since it was started; 0 where it does not tell.
    ///
    /// - Source: proc(5), /proc/vmstat.
    static var killed: Int {
        guard let file = try? Descriptor(opening: "/proc/vmstat", flags: O_RDONLY),
            let bytes = try? file.readAll(bytesMax: 1 << 20)
        else { return 0 }
        for line in bytes.split(separator: UInt8(ascii: "\n")) {
            let words = line.split(separator: UInt8(ascii: " "))
            guard words.count == 2, words[0].elementsEqual("oom_kill".utf8) else { continue }
            return Int(String(decoding: words[1], as: UTF8.self)) ?? 0
        }
        return 0
    }
}
