#if !hasFeature(Embedded)
    import CPluginKit
    import Glibc

    /// Everything here is called with the lock held, and holds it again when it returns.
    extension Scheduler {
        func push(_ job: UnownedJob, _ target: Target) {
            guard phase != .closed else { return }
            switch target {
            case .pool:
                pool.append(job)
                callWorker()
            case .main:
                main.append(job)
                if mainIsBorn {
                    unsafe pthread_cond_signal(mainWork)
                } else if phase == .open {
                    mainIsBorn = spawn(.main, number: 0)
                }
            }
        }

        /// Sees to it that some worker looks at the queue and the timers.
        func callWorker() {
            if idle > 0 {
                unsafe pthread_cond_signal(poolWork)
            } else if leads {
                doorbell?.ring()
            } else if phase == .open, poolWorkers < Self.workersMax,
                spawn(.pool, number: poolWorkers)
            {
                poolWorkers += 1
            }
        }

        func pushDue(suspending moment: UInt64, continuous bootMoment: UInt64) {
            while let timer = suspending.popDue(at: moment) { push(timer.job, timer.target) }
            while let timer = continuous.popDue(at: bootMoment) { push(timer.job, timer.target) }
        }

        private var hasTimers: Bool { suspending.count + continuous.count > 0 }

        private func pushDue() {
            guard hasTimers else { return }
            pushDue(suspending: Deadline.now, continuous: Deadline.read(CLOCK_BOOTTIME))
        }

        private func runPool() {
            while true {
                pushDue()
                if let job = pool.popFirst() {
                    if !pool.isEmpty || hasTimers && !leads { callWorker() }
                    run { Executors.pool.run(job) }
                } else if phase == .stopping {
                    return
                } else if hasTimers, !leads {
                    lead()
                } else {
                    idle += 1
                    unsafe pthread_cond_wait(poolWork, mutex)
                    idle -= 1
                }
            }
        }

        private func runMain() {
            while true {
                if let job = main.popFirst() {
                    run { Executors.main.run(job) }
                } else if phase == .stopping {
                    return
                } else {
                    unsafe pthread_cond_wait(mainWork, mutex)
                }
            }
        }

        private func run(_ job: () -> Void) {
            running += 1
            unsafe pthread_mutex_unlock(mutex)
            job()
            unsafe pthread_mutex_lock(mutex)
            running -= 1
            if running == 0 { unsafe pthread_cond_broadcast(settled) }
        }

        private func lead() {
            leads = true
            let (moment, bootMoment) = (suspending.earliest, continuous.earliest)
            unsafe pthread_mutex_unlock(mutex)
            doorbell?.wait(monotonic: moment, boot: bootMoment)
            unsafe pthread_mutex_lock(mutex)
            leads = false
        }

        private final class Seat {
            let scheduler: Scheduler
            let target: Target
            let number: Int

            init(_ scheduler: Scheduler, _ target: Target, _ number: Int) {
                self.scheduler = scheduler
                self.target = target
                self.number = number
            }
        }

        /// Starts a thread. Of all signals it takes only those of its own faults, so that the
        /// host's signals go to the host's threads.
        private func spawn(_ target: Target, number: Int) -> Bool {
            var attributes = pthread_attr_t()
            unsafe pthread_attr_init(&attributes)
            defer { unsafe pthread_attr_destroy(&attributes) }
            unsafe pthread_attr_setstacksize(&attributes, Self.stackBytes)
            var blocked = sigset_t()
            var before = sigset_t()
            unsafe sigfillset(&blocked)
            for signal in [SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGTRAP] {
                unsafe sigdelset(&blocked, signal)
            }
            unsafe pthread_sigmask(SIG_BLOCK, &blocked, &before)
            defer { unsafe pthread_sigmask(SIG_SETMASK, &before, nil) }
            let seat = unsafe Unmanaged.passRetained(Seat(self, target, number))
            var thread = pthread_t()
            let code = unsafe pthread_create(
                &thread, &attributes,
                { argument in
                    guard let argument = unsafe argument else { return nil }
                    let seat = unsafe Unmanaged<Seat>.fromOpaque(argument).takeRetainedValue()
                    seat.scheduler.live(seat)
                    return nil
                }, seat.toOpaque())
            guard code == 0 else {
                unsafe seat.release()
                return false
            }
            threads[thread] = false
            return true
        }

        private func live(_ seat: Seat) {
            name(seat)
            unsafe pthread_mutex_lock(mutex)
            switch seat.target {
            case .pool: runPool()
            case .main: runMain()
            }
            threads[pthread_self()] = true
            unsafe pthread_cond_broadcast(settled)
            unsafe pthread_mutex_unlock(mutex)
        }

        /// - Shape: `<plugin>-exec-<n>` or `<plugin>-main`, the plugin's part cut so that the whole
        ///   has the 15 bytes that the kernel keeps.
        private func name(_ seat: Seat) {
            let ending = seat.target == .main ? "-main" : "-exec-\(seat.number)"
            let name = String(threadName).prefix(15 - ending.utf8.count) + ending
            unsafe name.withCString { name in
                unsafe ph_kit_name_thread(name)
            }
        }
    }
#endif
