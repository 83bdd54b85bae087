internal import Glibc

/// A list of C strings that ends with a null pointer, as execve wants it.
@safe
final class CStringBlock {
    private let storage: UnsafeMutableBufferPointer<UnsafeMutablePointer<CChar>?>

    init(_ strings: [String]) {
        unsafe storage = .allocate(capacity: strings.count + 1)
        for (index, string) in strings.enumerated() {
            unsafe (storage.baseAddress.unsafelyUnwrapped + index).initialize(to: strdup(string))
        }
        unsafe (storage.baseAddress.unsafelyUnwrapped + strings.count).initialize(to: nil)
    }

    deinit {
        for index in unsafe 0..<storage.count { unsafe free(storage[index]) }
        unsafe storage.deallocate()
    }

    var pointers: UnsafePointer<UnsafeMutablePointer<CChar>?>? {
        unsafe UnsafePointer(storage.baseAddress)
    }

    subscript(index: Int) -> UnsafeMutablePointer<CChar>? { unsafe storage[index] }
}
