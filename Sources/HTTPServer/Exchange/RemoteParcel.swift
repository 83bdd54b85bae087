import Glibc
import HTTPWire

/// A copy of fields and bytes on their way from another thread to the loop. As long as it exists it
/// is booked in the loop's room, which its maker may have to wait for.
///
/// `@unchecked Sendable` because nobody changes a parcel after it has been made.
@safe
final class RemoteParcel: @unchecked Sendable {
    private let storage: UnsafeMutableRawPointer
    private let room: RemoteRoom
    private let booked: Int
    /// The fields, which point into the same memory.
    let fields: UnsafeBufferPointer<HeaderField>
    let bytes: UnsafeRawBufferPointer

    init(
        fields source: UnsafeBufferPointer<HeaderField>, bytes payload: UnsafeRawBufferPointer,
        in room: RemoteRoom
    ) {
        let table = source.count * MemoryLayout<HeaderField>.stride
        var total = table + payload.count
        for index in 0..<source.count {
            total += unsafe source[index].name.count + source[index].value.count
        }
        room.take(total)
        self.room = room
        booked = total
        unsafe storage = .allocate(byteCount: max(1, total), alignment: 16)
        let copies = unsafe storage.bindMemory(to: HeaderField.self, capacity: source.count)
        var end = unsafe storage + table
        func keep(_ slice: ByteSlice) -> ByteSlice {
            guard let base = unsafe slice.base else { return ByteSlice() }
            unsafe memcpy(end, base, slice.count)
            defer { unsafe end += slice.count }
            return unsafe ByteSlice(UnsafeRawBufferPointer(start: end, count: slice.count))
        }
        for index in 0..<source.count {
            let field = unsafe source[index]
            unsafe (copies + index).initialize(
                to: HeaderField(name: keep(field.name), value: keep(field.value)))
        }
        let kept = unsafe keep(ByteSlice(payload))
        unsafe fields = UnsafeBufferPointer(start: copies, count: source.count)
        unsafe bytes = kept.buffer
    }

    deinit {
        unsafe storage.deallocate()
        room.give(booked)
    }
}

/// What another thread wants an exchange to do.
enum RemoteAct: Sendable {
    case respond(status: UInt16, RemoteParcel)
    case begin(status: UInt16, RemoteParcel, contentLength: UInt64?)
    case write(RemoteParcel)
    case finish
    case finishWithTrailers(RemoteParcel)
    case abort
    case resumeBody
    case upgrade(WebSocket)
    case refuse(WebSocketHandshake.Refusal)
}
