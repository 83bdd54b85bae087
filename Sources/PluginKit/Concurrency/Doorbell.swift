#if !hasFeature(Embedded)
    import CPluginKit
    import Glibc

    /// What wakes the thread that waits for the clocks: a bell, or the boot-time clock.
    ///
    /// - Source: eventfd(2), timerfd_create(2), poll(2).
    struct Doorbell {
        private let bell: CInt
        private let monotonic: CInt
        private let boot: CInt

        /// - Returns: nil when the process has no file descriptor left.
        init?() {
            bell = ph_kit_event_descriptor()
            monotonic = ph_kit_timer_descriptor(0)
            boot = ph_kit_timer_descriptor(1)
            guard bell >= 0, monotonic >= 0, boot >= 0 else {
                close()
                return nil
            }
        }

        func close() {
            for descriptor in [bell, monotonic, boot] where descriptor >= 0 {
                _ = Glibc.close(descriptor)
            }
        }

        /// Wakes the thread that waits, or the next one that will.
        func ring() {
            var one: UInt64 = 1
            _ = unsafe write(bell, &one, MemoryLayout<UInt64>.size)
        }

        /// Waits for the bell or for a moment of either clock.
        func wait(monotonic moment: UInt64?, boot bootMoment: UInt64?) {
            ph_kit_set_timer(monotonic, moment ?? 0)
            ph_kit_set_timer(boot, bootMoment ?? 0)
            unsafe withUnsafeTemporaryAllocation(of: pollfd.self, capacity: 3) { doors in
                unsafe doors[0] = pollfd(fd: bell, events: Int16(POLLIN), revents: 0)
                unsafe doors[1] = pollfd(fd: monotonic, events: Int16(POLLIN), revents: 0)
                unsafe doors[2] = pollfd(fd: boot, events: Int16(POLLIN), revents: 0)
                _ = unsafe poll(doors.baseAddress, 3, -1)
            }
            var count: UInt64 = 0
            for descriptor in [bell, monotonic, boot] {
                _ = unsafe read(descriptor, &count, MemoryLayout<UInt64>.size)
            }
        }
    }
#endif
