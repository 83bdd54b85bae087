import CLinux
import Glibc
import HostModel

/// What keeps a worker when its engine ends: a socket that its supervisor holds, through which the
/// next engine sends it a channel.
///
/// Without a supervisor there is none, and the worker ends with its engine.
enum WorkerLeash {
    /// Where the worker finds it.
    static let descriptor: Int32 = 5

    /// Whether there is one.
    static var isThere: Bool {
        var type: Int32 = 0
        var length = socklen_t(MemoryLayout<Int32>.size)
        let result = unsafe getsockopt(descriptor, SOL_SOCKET, SO_TYPE, &type, &length)
        return result == 0 && type == Int32(SOCK_SEQPACKET.rawValue)
    }

    /// Hears of engines on a thread of its own, until nobody holds the other end any more.
    static func hold(
        _ connected: @escaping @Sendable (Int32) -> Void, ended: @escaping @Sendable () -> Void
    ) {
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
        _ = OwnThread.start("leash") {
            var byte: UInt8 = 0
            var descriptors = [Int32](repeating: -1, count: Int(linux_message_passed_max))
            while true {
                var count: Int32 = 0
                let length = unsafe linux_receive_message(
                    descriptor, &byte, 1, &descriptors, &count, 1)
                guard length > 0 else { break }
                for channel in descriptors.prefix(Int(count)) { connected(channel) }
            }
            ended()
        }
    }

    /// Sends a worker one end of a channel, of which this process keeps a copy.
    ///
    /// - Returns: 0, or the `errno`.
    static func send(_ channel: Int32, over leash: Int32) -> Int32 {
        let sent = unsafe linux_send_message(leash, "c", 1, [channel], 1, 0)
        return sent < 0 ? Int32(-sent) : 0
    }
}
