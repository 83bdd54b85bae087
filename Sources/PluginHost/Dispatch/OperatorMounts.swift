internal import HTTPWire
package import HostModel

/// The places that operators have given to plugins, compiled for looking them up; immutable.
///
/// Two hash tables: one of the names of hosts, one of prefixes, each entry of which belongs to a
/// host. A search looks at every boundary between segments of the path once, so its cost grows with
/// the length of the path (up to the longest prefix) and not with the number of mounts.
@safe
package final class OperatorMounts: @unchecked Sendable {  // because nothing changes after init
    /// A place: `ordinal` counts in the order of `names`, `prefixCount` is its length in bytes.
    struct Place: Equatable {
        let ordinal: Int
        let prefixCount: Int
    }

    @unsafe
    private struct Slot {
        var hash: UInt64 = 0
        /// The bytes of the key in `text`; nil: the slot is empty.
        var start: UnsafePointer<UInt8>?
        var count = 0
        /// The site that the prefix belongs to; 0 in the table of hosts.
        var site = 0
        /// A site, or the ordinal of a mount.
        var value = 0
    }

    /// The mounts, as they were given.
    package let mounts: [MountAddress: PluginName]
    /// Whose place each ordinal means.
    let names: [PluginName]
    private let hosts: UnsafeMutablePointer<Slot>
    private let prefixes: UnsafeMutablePointer<Slot>
    private let text: UnsafeMutablePointer<UInt8>
    private let mask: Int
    /// The length of the longest prefix.
    private let prefixBytesMax: Int
    private let hasHosts: Bool
    private let hasFamilies: Bool
    /// The site of every host.
    private static let anySite = 0

    /// Compiles the mounts; nil when there are none.
    package init?(_ mounts: [MountAddress: PluginName]) {
        guard !mounts.isEmpty else { return nil }
        self.mounts = mounts
        let sorted = mounts.sorted { $0.key < $1.key }
        names = sorted.map(\.value)
        var capacity = 4
        while capacity < mounts.count * 2 { capacity *= 2 }
        mask = capacity - 1
        unsafe hosts = .allocate(capacity: capacity)
        unsafe hosts.initialize(repeating: Slot(), count: capacity)
        unsafe prefixes = .allocate(capacity: capacity)
        unsafe prefixes.initialize(repeating: Slot(), count: capacity)
        let bytes = sorted.reduce(1) {
            $0 + ($1.key.host?.utf8.count ?? 0) + $1.key.prefix.utf8.count
        }
        unsafe text = .allocate(capacity: bytes)
        var used = 0
        var sites: [String: Int] = [:]
        var longest = 0
        for (ordinal, mount) in sorted.enumerated() {
            var site = Self.anySite
            // `*.example` is kept as `.example`.
            if let host = mount.key.host.map({ $0.hasPrefix("*") ? String($0.dropFirst()) : $0 }) {
                if let known = sites[host] {
                    site = known
                } else {
                    site = sites.count + 1
                    sites[host] = site
                    let slot = unsafe Self.keep(host, in: text, &used, site: 0, value: site)
                    unsafe Self.insert(slot, into: hosts, mask)
                }
            }
            let prefix = mount.key.prefix == "/" ? "" : mount.key.prefix
            let slot = unsafe Self.keep(prefix, in: text, &used, site: site, value: ordinal)
            unsafe Self.insert(slot, into: prefixes, mask)
            longest = max(longest, prefix.utf8.count)
        }
        prefixBytesMax = longest
        hasHosts = !sites.isEmpty
        hasFamilies = sites.keys.contains { $0.hasPrefix(".") }
    }

    deinit {
        unsafe hosts.deallocate()
        unsafe prefixes.deallocate()
        unsafe text.deallocate()
    }

    // MARK: - Search

    /// Finds the place that a request belongs to: that of its host before that of a family of
    /// hosts (the longest name first) before that of any host, and of each the longest prefix that
    /// ends with a segment.
    ///
    /// - Parameters:
    ///   - authority: the request's host, perhaps with a port; its case does not count.
    ///   - path: in normal form.
    func find(authority: ByteSlice, path: ByteSlice) -> Place? {
        if hasHosts, authority.count > 0, let place = find(onHost: authority, path) {
            return place
        }
        return longest(path, site: Self.anySite)
    }

    private func find(onHost authority: ByteSlice, _ path: ByteSlice) -> Place? {
        let count = Self.hostCount(authority)
        guard count > 0, count <= MountAddress.hostBytesMax, let base = unsafe authority.base
        else { return nil }
        return unsafe withUnsafeTemporaryAllocation(of: UInt8.self, capacity: count) { name in
            for index in 0..<count {
                let byte = unsafe base[index]
                let isUpper = byte >= UInt8(ascii: "A") && byte <= UInt8(ascii: "Z")
                unsafe name[index] = isUpper ? byte | 0x20 : byte
            }
            guard let start = unsafe UnsafePointer(name.baseAddress) else { return nil }
            // What begins with a dot is the key of a family, and the name of no host.
            guard unsafe start[0] != UInt8(ascii: ".") else { return nil }
            if let site = unsafe self.site(start, count), let place = longest(path, site: site) {
                return place
            }
            guard hasFamilies else { return nil }
            for index in 1..<max(1, count) where unsafe start[index] == UInt8(ascii: ".") {
                if let site = unsafe self.site(start + index, count - index),
                    let place = longest(path, site: site)
                {
                    return place
                }
            }
            return nil
        }
    }

    /// The length of the host without a port and without a dot at its end.
    private static func hostCount(_ authority: ByteSlice) -> Int {
        var count = 0
        if authority[0] == UInt8(ascii: "[") {
            return (authority.firstIndex(of: UInt8(ascii: "]")) ?? -1) + 1
        }
        while count < authority.count, authority[count] != UInt8(ascii: ":") { count += 1 }
        return count > 0 && authority[count - 1] == UInt8(ascii: ".") ? count - 1 : count
    }

    private func site(_ start: UnsafePointer<UInt8>, _ count: Int) -> Int? {
        var hash = Self.seed(0)
        for index in 0..<count { hash = unsafe Self.step(hash, start[index]) }
        let value = unsafe probe(hosts, hash, start, count, site: 0)
        return value < 0 ? nil : value
    }

    /// The longest prefix of the path that is mounted on the site.
    private func longest(_ path: ByteSlice, site: Int) -> Place? {
        guard path.count > 0, let base = unsafe path.base else { return nil }
        var hash = Self.seed(site)
        var found = unsafe probe(prefixes, hash, base, 0, site: site)
        var foundCount = 0
        var at = 0
        while at < path.count {
            // A slash, and the segment behind it.
            repeat {
                hash = unsafe Self.step(hash, base[at])
                at &+= 1
            } while unsafe at < path.count && base[at] != UInt8(ascii: "/")
            if at > prefixBytesMax { break }
            let value = unsafe probe(prefixes, hash, base, at, site: site)
            if value >= 0 {
                found = value
                foundCount = at
            }
        }
        return found < 0 ? nil : Place(ordinal: found, prefixCount: foundCount)
    }

    // MARK: - Tables

    @inline(__always)
    private static func seed(_ site: Int) -> UInt64 {
        0xCBF2_9CE4_8422_2325 ^ UInt64(truncatingIfNeeded: site) &* 0x9E37_79B9_7F4A_7C15
    }

    /// - Source: FNV-1a.
    @inline(__always)
    private static func step(_ hash: UInt64, _ byte: UInt8) -> UInt64 {
        (hash ^ UInt64(byte)) &* 0x100_0000_01B3
    }

    @inline(__always)
    private static func index(_ hash: UInt64) -> Int {
        Int(truncatingIfNeeded: hash ^ hash >> 32)
    }

    /// The value of a key, or -1.
    private func probe(
        _ table: UnsafeMutablePointer<Slot>, _ hash: UInt64, _ start: UnsafePointer<UInt8>,
        _ count: Int, site: Int
    ) -> Int {
        var index = Self.index(hash) & mask
        while true {
            let slot = unsafe table + index
            guard let text = unsafe slot.pointee.start else { return -1 }
            if unsafe slot.pointee.hash == hash && slot.pointee.count == count
                && slot.pointee.site == site
                && ByteSlice(text, count: count) == ByteSlice(start, count: count)
            {
                return unsafe slot.pointee.value
            }
            index = (index &+ 1) & mask
        }
    }

    /// Copies a key into the text and makes its entry.
    private static func keep(
        _ key: String, in text: UnsafeMutablePointer<UInt8>, _ used: inout Int, site: Int,
        value: Int
    ) -> Slot {
        let start = unsafe text + used
        var hash = seed(site)
        for byte in key.utf8 {
            unsafe text[used] = byte
            used += 1
            hash = step(hash, byte)
        }
        return unsafe Slot(
            hash: hash, start: start, count: key.utf8.count, site: site, value: value)
    }

    private static func insert(
        _ slot: Slot, into table: UnsafeMutablePointer<Slot>, _ mask: Int
    ) {
        var at = unsafe index(slot.hash) & mask
        while unsafe table[at].start != nil { at = (at + 1) & mask }
        unsafe table[at] = unsafe slot
    }
}
