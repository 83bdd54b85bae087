/// The frames that one reactor has to spare; only touched on its thread.
@unsafe
struct HookDesk {
    static let strideBytes = 64

    var spare: UnsafeMutablePointer<HookFrame>?
}

/// The desks of all reactors.
///
/// `@unchecked Sendable` because each desk is touched on one reactor's thread only, and here when
/// no reactor uses it any more.
@safe
final class HookDesks: @unchecked Sendable {
    let base: UnsafeMutableRawPointer
    private let count: Int

    init(reactors: Int) {
        count = max(1, reactors)
        unsafe base = .allocate(
            byteCount: count * HookDesk.strideBytes, alignment: HookDesk.strideBytes)
        for reactor in 0..<count {
            unsafe (base + reactor * HookDesk.strideBytes).initializeMemory(
                as: HookDesk.self, to: HookDesk(spare: nil))
        }
    }

    deinit {
        for reactor in 0..<count {
            let desk = unsafe (base + reactor * HookDesk.strideBytes).assumingMemoryBound(
                to: HookDesk.self)
            while let frame = unsafe desk.pointee.spare {
                unsafe desk.pointee.spare = frame.pointee.next
                unsafe HookFrame.free(frame)
            }
        }
        unsafe base.deallocate()
    }
}
