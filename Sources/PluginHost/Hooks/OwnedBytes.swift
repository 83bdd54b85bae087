/// A copy of some bytes, which stays where it is until its last owner lets go.
///
/// `@unchecked Sendable` because nothing in it is written after init.
@safe
final class OwnedBytes: @unchecked Sendable {
    let bytes: UnsafeRawBufferPointer

    init(_ source: UnsafeRawBufferPointer) {
        let copy = UnsafeMutableRawBufferPointer.allocate(
            byteCount: max(1, source.count), alignment: 16)
        unsafe copy.copyMemory(from: source)
        unsafe bytes = UnsafeRawBufferPointer(rebasing: copy[..<source.count])
    }

    deinit { unsafe bytes.deallocate() }
}
