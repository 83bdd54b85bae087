internal import HTTPWire
package import HostModel

/// Which plugin answers below `/plugin/<name>`: an immutable snapshot that each reactor holds one
/// of.
///
/// A hash table over the bytes of the names, at most half full, so that a look-up costs the same
/// for one plugin and for thousands. A changed table shares the mounts, and so the route trees, of
/// the one it was made from.
@safe
package final class MountTable: @unchecked Sendable {  // because nothing changes after init
    @unsafe
    fileprivate struct Slot {
        var key = SegmentKey()
        /// The name's bytes in `names`; only longer names are compared with them.
        var text: UnsafePointer<UInt8>?
        var mount: Unmanaged<Mount>?
        var serving: UnsafeMutablePointer<ServingRecord>?
    }

    /// A mount as the request path sees it; valid as long as the table.
    @unsafe
    struct Found {
        let mount: Unmanaged<Mount>
        /// nil unless the mount is active, and where its requests take a closer look.
        let serving: UnsafeMutablePointer<ServingRecord>?
    }

    /// The mounts by name.
    package let mounts: [PluginName: Mount]
    /// The places beside `/plugin/<name>`; nil when there are none.
    package let operators: OperatorMounts?
    /// The hooks that requests to plugins pass; nil when there are none.
    let hooks: RequestChain?
    /// What stands at each of those places, by their ordinals.
    private let targets: UnsafeMutablePointer<Found?>
    private let names: UnsafeMutablePointer<UInt8>
    /// The hash table.
    let view: View

    /// The addresses of the hash table; copied about freely, valid as long as the table.
    @unsafe
    struct View {
        fileprivate let slots: UnsafeMutablePointer<Slot>
        /// The size of the hash table, a power of two, less one.
        fileprivate let mask: Int
    }

    /// Makes a table; of mounts with one name the last counts.
    package convenience init(mounts: [Mount] = [], operators: OperatorMounts? = nil) {
        self.init(Dictionary(mounts.map { ($0.name, $0) }) { _, last in last }, operators)
    }

    private init(
        _ mounts: [PluginName: Mount], _ operators: OperatorMounts?, _ hooks: RequestChain? = nil
    ) {
        self.mounts = mounts
        self.hooks = hooks
        self.operators = operators
        let places = operators?.names ?? []
        unsafe targets = .allocate(capacity: max(1, places.count))
        for (ordinal, name) in places.enumerated() {
            let found = unsafe mounts[name].map { unsafe Self.found($0) }
            unsafe (targets + ordinal).initialize(to: found)
        }
        var count = 4
        while count < mounts.count * 2 { count *= 2 }
        let mask = count - 1
        let slots = UnsafeMutablePointer<Slot>.allocate(capacity: count)
        unsafe view = View(slots: slots, mask: mask)
        unsafe slots.initialize(repeating: Slot(), count: count)
        unsafe names = .allocate(
            capacity: mounts.keys.reduce(1) { $0 + $1.text.utf8.count })
        var used = 0
        for (name, mount) in mounts {
            let text = unsafe names + used
            for byte in name.text.utf8 {
                unsafe names[used] = byte
                used += 1
            }
            let key = SegmentKey(name.text)
            var slot = key.hash(0) & mask
            while unsafe slots[slot].mount != nil { slot = (slot + 1) & mask }
            unsafe slots[slot] = unsafe Slot(
                key: key, text: text, mount: Unmanaged.passUnretained(mount),
                serving: mount.serving)
        }
    }

    private static func found(_ mount: Mount) -> Found {
        unsafe Found(
            mount: Unmanaged.passUnretained(mount),
            serving: mount.serving)
    }

    deinit {
        unsafe targets.deallocate()
        unsafe view.slots.deallocate()
        unsafe names.deallocate()
    }

    /// Returns a table in which these mounts stand, instead of those with their names if there are
    /// any.
    package func replacing(_ others: [Mount]) -> MountTable {
        var mounts = mounts
        for mount in others { mounts[mount.name] = mount }
        return MountTable(mounts, operators, hooks)
    }

    /// Returns a table without the name.
    package func removing(_ name: PluginName) -> MountTable {
        var mounts = mounts
        mounts[name] = nil
        return MountTable(mounts, operators, hooks)
    }

    /// Returns a table with other places beside `/plugin/<name>`.
    package func placing(_ operators: OperatorMounts?) -> MountTable {
        MountTable(mounts, operators, hooks)
    }

    /// Returns a table with other hooks.
    func hooking(_ hooks: RequestChain?) -> MountTable { MountTable(mounts, operators, hooks) }

    /// Finds what an operator has mounted at a path or above it, and how much of the path leads
    /// there.
    func find(authority: ByteSlice, path: ByteSlice) -> (found: Found, prefixCount: Int)? {
        guard let place = operators?.find(authority: authority, path: path),
            let found = unsafe targets[place.ordinal]
        else { return nil }
        return unsafe (found, place.prefixCount)
    }
}

extension MountTable.View {
    /// Finds what is mounted at a name.
    @inline(__always)
    func find(_ name: PathSegment) -> MountTable.Found? {
        let key = name.key
        var index = unsafe key.hash(0) & mask
        while true {
            let slot = unsafe slots + index
            guard let mount = unsafe slot.pointee.mount else { return nil }
            if unsafe slot.pointee.key == key {
                guard key.count > 16 else {
                    return unsafe MountTable.Found(mount: mount, serving: slot.pointee.serving)
                }
                if let text = unsafe slot.pointee.text,
                    unsafe SegmentKey.middlesAreEqual(text, name.start, count: key.count)
                {
                    return unsafe MountTable.Found(mount: mount, serving: slot.pointee.serving)
                }
            }
            index = unsafe (index &+ 1) & mask
        }
    }
}
