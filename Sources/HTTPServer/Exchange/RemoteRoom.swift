import CLinux
import Glibc
import Synchronization

/// Bounds the bytes that are on their way from other threads to one loop: who has more of them
/// waits until the loop has taken what came before.
///
/// `@unchecked Sendable` because the lock guards the condition, and the rest is atomic.
@safe
final class RemoteRoom: @unchecked Sendable {
    private let bytesMax: Int
    private let bytes = Atomic<Int>(0)
    private let waiting = Atomic<Int>(0)
    private let isOpen = Atomic<Bool>(true)
    private let lock: UnsafeMutablePointer<pthread_mutex_t>
    /// Signalled when bytes have been taken while somebody waits, and when the loop ends.
    private let change: UnsafeMutablePointer<pthread_cond_t>

    init(bytesMax: Int) {
        self.bytesMax = bytesMax
        unsafe lock = .allocate(capacity: 1)
        unsafe change = .allocate(capacity: 1)
        unsafe pthread_mutex_init(lock, nil)
        unsafe pthread_cond_init(change, nil)
    }

    deinit {
        unsafe pthread_cond_destroy(change)
        unsafe pthread_mutex_destroy(lock)
        unsafe change.deallocate()
        unsafe lock.deallocate()
    }

    /// Books bytes that are about to be put; `give` takes them off the books.
    ///
    /// A thread that runs a loop never waits, since its own loop may be the one; and whatever is
    /// alone goes, however long it is.
    func take(_ count: Int) {
        if book(count) || linux_runs_loop() != 0 && bookAnyway(count) { return }
        unsafe pthread_mutex_lock(lock)
        waiting.add(1, ordering: .sequentiallyConsistent)
        while isOpen.load(ordering: .relaxed), !book(count) {
            unsafe pthread_cond_wait(change, lock)
        }
        if !isOpen.load(ordering: .relaxed) { _ = bookAnyway(count) }
        waiting.subtract(1, ordering: .relaxed)
        unsafe pthread_mutex_unlock(lock)
    }

    /// Takes bytes off the books.
    func give(_ count: Int) {
        bytes.subtract(count, ordering: .sequentiallyConsistent)
        if waiting.load(ordering: .sequentiallyConsistent) > 0 { wake() }
    }

    /// Lets everybody go on, now and from now on: the loop has ended.
    func close() {
        isOpen.store(false, ordering: .relaxed)
        wake()
    }

    private func book(_ count: Int) -> Bool {
        var found = bytes.load(ordering: .sequentiallyConsistent)
        while found == 0 || found + count <= bytesMax {
            let (isDone, original) = bytes.compareExchange(
                expected: found, desired: found + count, ordering: .sequentiallyConsistent)
            if isDone { return true }
            found = original
        }
        return false
    }

    private func bookAnyway(_ count: Int) -> Bool {
        bytes.add(count, ordering: .relaxed)
        return true
    }

    private func wake() {
        unsafe pthread_mutex_lock(lock)
        unsafe pthread_cond_broadcast(change)
        unsafe pthread_mutex_unlock(lock)
    }
}
