import CPluginABI
import HTTPServer
import HTTPWire

/// The head of a response while hooks look at it; what they add is copied here.
@safe
final class ResponseHead {
    let status: UInt16
    private(set) var fields: [HeaderField]
    private var copies: [OwnedBytes] = []
    /// What has been done to it, in order.
    private(set) var edits: [Edit] = []

    /// A change of the fields; the value of one that takes fields away is empty.
    struct Edit {
        enum Kind: UInt64 {
            case set = 1
            case add = 2
            case remove = 3
        }

        let kind: Kind
        let name: ByteSlice
        let value: ByteSlice
    }

    init(_ status: UInt16, _ fields: UnsafeBufferPointer<HeaderField>) {
        self.status = status
        self.fields = unsafe Array(fields)
    }

    /// Makes one whose fields do not change with what they were read from.
    init(copying fields: UnsafeBufferPointer<HeaderField>, _ status: UInt16) {
        self.status = status
        self.fields = []
        for index in 0..<fields.count {
            let field = unsafe fields[index]
            self.fields.append(HeaderField(name: keep(field.name), value: keep(field.value)))
        }
    }

    /// What a hook is handed.
    var pointer: OpaquePointer { unsafe OpaquePointer(Unmanaged.passUnretained(self).toOpaque()) }

    static func of(_ pointer: OpaquePointer) -> ResponseHead {
        unsafe Unmanaged<ResponseHead>.fromOpaque(UnsafeRawPointer(pointer)).takeUnretainedValue()
    }

    func value(_ name: ByteSlice) -> ByteSlice? {
        fields.first { $0.name.equalsIgnoringCase(name) }?.value
    }

    /// Adds a field, or gives it in place of those of its name; false when it is malformed, or one
    /// that the server writes itself.
    func add(_ name: ByteSlice, _ value: ByteSlice, replaces: Bool) -> Bool {
        guard Exchange.allows(HeaderField(name: name, value: value)) else { return false }
        if replaces { fields.removeAll { $0.name.equalsIgnoringCase(name) } }
        let field = HeaderField(name: keep(name), value: keep(value))
        fields.append(field)
        edits.append(Edit(kind: replaces ? .set : .add, name: field.name, value: field.value))
        return true
    }

    /// Takes away every field of the name, and returns how many there were.
    func remove(_ name: ByteSlice) -> Int {
        let count = fields.count
        fields.removeAll { $0.name.equalsIgnoringCase(name) }
        if fields.count < count {
            edits.append(Edit(kind: .remove, name: keep(name), value: ByteSlice()))
        }
        return count - fields.count
    }

    private func keep(_ slice: ByteSlice) -> ByteSlice {
        let copy = unsafe OwnedBytes(slice.buffer)
        copies.append(copy)
        return unsafe ByteSlice(copy.bytes)
    }
}
