#if !hasFeature(Embedded)
    import Glibc

    /// A moment after which waiting makes no sense any more.
    struct Deadline: Sendable {
        /// - Units: nanoseconds of the monotonic clock.
        let nanoseconds: UInt64

        /// The moment that many seconds from now.
        init(seconds: Int) {
            nanoseconds = Self.now + UInt64(max(0, seconds)) * 1_000_000_000
        }

        static var now: UInt64 { read(CLOCK_MONOTONIC) }

        var hasPassed: Bool { Self.now >= nanoseconds }

        var timespec: timespec {
            Glibc.timespec(
                tv_sec: Int(nanoseconds / 1_000_000_000), tv_nsec: Int(nanoseconds % 1_000_000_000))
        }

        /// - Returns: nanoseconds of that clock.
        static func read(_ clock: clockid_t) -> UInt64 {
            var time = Glibc.timespec()
            unsafe clock_gettime(clock, &time)
            return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
        }
    }
#endif
