import CLinux

/// The connections of a loop that may have much in the kernel's hands.
///
/// A response that the kernel takes as a whole costs half of one that it takes in portions: nothing
/// is copied for later, and nobody is woken for the rest. But what it has taken it keeps for as
/// long as the client does not read, and thousands of such clients would stall everybody's TCP. So
/// a few connections have a large share, and the others `linux_unsent_usual`.
///
/// - Source: tcp(7), `TCP_NOTSENT_LOWAT`. A response of 1 MB from memory costs 1.9 times nginx's
///   CPU with 128 KiB, and 0.95 times with 2 MiB (`make bench`).
struct LargeShares {
    /// The bytes that the kernel takes, on top of what is on its way to the client.
    static let bytes: Int32 = 2 << 20
    /// What the others have.
    static let usualBytes = Int32(linux_unsent_usual)
    /// From this size on a response is worth a large share: the kernel takes others as a whole
    /// anyway.
    static let worthwhileBytes = Int(usualBytes)

    /// Those who have one; so many at the most.
    var holders = [Connection?](repeating: nil, count: 32)
    /// The place that was given, or asked back, longest ago.
    var next = 0
}

extension Connection {
    /// Asks for a large share.
    @inline(never)
    func wantLargeShare() {
        if !state.hasLargeShare { state.hasLargeShare = loop.grantLargeShare(to: self) }
    }

    /// Whether the kernel has more for the client than it may keep when the connection is gone.
    var leavesLargeShare: Bool {
        state.hasLargeShare && !loop.state.isDraining && unsentBytes > LargeShares.usualBytes
    }

    /// Gives the share back because the connection ends. What the client has not taken by now goes
    /// with it: without a connection nothing would bound it, nor how long the kernel keeps it.
    func giveUpLargeShare() {
        if leavesLargeShare { state.resetsOnClose = true }
        state.hasLargeShare = false
        loop.forgetLargeShare(of: self)
    }
}

extension Loop {
    /// Gives a connection a large share, perhaps that of another one which does not need it now;
    /// false when the next one in turn does.
    fileprivate func grantLargeShare(to connection: Connection) -> Bool {
        let place = state.largeShares.next
        state.largeShares.next = (place + 1) % state.largeShares.holders.count
        if let holder = state.largeShares.holders[place] {
            guard holder.unsentBytes <= LargeShares.usualBytes,
                linux_set_unsent_max(holder.state.descriptor, LargeShares.usualBytes) >= 0
            else { return false }
            holder.state.hasLargeShare = false
            state.largeShares.holders[place] = nil
        }
        // A Unix socket has none to give.
        guard linux_set_unsent_max(connection.state.descriptor, LargeShares.bytes) >= 0 else {
            return false
        }
        state.largeShares.holders[place] = connection
        return true
    }

    fileprivate func forgetLargeShare(of connection: Connection) {
        for place in state.largeShares.holders.indices
        where state.largeShares.holders[place] == connection {
            state.largeShares.holders[place] = nil
        }
    }
}
