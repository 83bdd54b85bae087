import CPluginABI

/// Texts and numbers one behind the other, as they cross between the engine and a worker where JSON
/// would not do: they need not be UTF-8.
///
/// - Shape: a number in eight octets, little-endian; a text as its length plus one and its octets,
///   or as 0 where there is none.
struct Parcel: Sendable {
    private(set) var bytes: [UInt8] = []

    mutating func put(_ number: UInt64) {
        for shift in stride(from: 0, to: 64, by: 8) {
            bytes.append(UInt8(truncatingIfNeeded: number >> UInt64(shift)))
        }
    }

    mutating func put(_ text: ph_text) {
        unsafe put(UnsafeRawPointer(text.data), text.length)
    }

    mutating func put(_ octets: ph_bytes) {
        unsafe put(UnsafeRawPointer(octets.data), octets.length)
    }

    mutating func put(_ octets: [UInt8]) {
        put(UInt64(octets.count) + 1)
        bytes += octets
    }

    mutating func put(_ text: String) { put(Array(text.utf8)) }

    mutating func put(_ headers: UnsafePointer<ph_header>?, _ count: Int) {
        put(UInt64(count))
        guard let headers = unsafe headers else { return }
        for index in 0..<count {
            unsafe put(headers[index].name)
            unsafe put(headers[index].value)
        }
    }

    private mutating func put(_ data: UnsafeRawPointer?, _ length: Int) {
        guard let data = unsafe data else { return put(0) }
        put(UInt64(length) + 1)
        unsafe bytes.append(contentsOf: UnsafeRawBufferPointer(start: data, count: length))
    }
}

/// Reads a parcel; what it returns points into it, and it keeps that in place.
///
/// Whoever sent it is not believed: what does not fit makes it `isBroken`, and then everything is
/// empty.
@safe
struct ParcelReader {
    let octets: OwnedBytes
    private var at = 0
    private(set) var isBroken = false

    init(_ bytes: [UInt8]) {
        octets = unsafe bytes.withUnsafeBytes { unsafe OwnedBytes($0) }
    }

    mutating func number() -> UInt64 {
        guard let start = take(8) else { return 0 }
        return unsafe UInt64(
            littleEndian: octets.bytes.loadUnaligned(fromByteOffset: start, as: UInt64.self))
    }

    mutating func text() -> ph_text {
        guard let (data, length) = unsafe slice() else { return unsafe ph_text() }
        return unsafe ph_text(data: data.assumingMemoryBound(to: CChar.self), length: length)
    }

    mutating func data() -> ph_bytes {
        guard let (data, length) = unsafe slice() else { return unsafe ph_bytes() }
        return unsafe ph_bytes(data: data.assumingMemoryBound(to: UInt8.self), length: length)
    }

    mutating func string() -> String { unsafe String(text()) }

    /// A count of things, each of which takes at least so many octets.
    mutating func count(of octetsEach: Int) -> Int {
        let count = number()
        guard unsafe count <= UInt64((octets.bytes.count - at) / octetsEach) else {
            isBroken = true
            return 0
        }
        return Int(count)
    }

    mutating func headers() -> [ph_header] {
        let count = count(of: 16)
        var headers: [ph_header] = unsafe []
        for _ in 0..<count {
            let name = unsafe text()
            unsafe headers.append(ph_header(name: name, value: text()))
        }
        return unsafe headers
    }

    private mutating func slice() -> (UnsafeRawPointer, Int)? {
        let length = number()
        guard length > 0, let start = take(Int(clamping: length - 1)),
            let base = unsafe octets.bytes.baseAddress
        else { return nil }
        return unsafe (base + start, at - start)
    }

    private mutating func take(_ count: Int) -> Int? {
        guard !isBroken, unsafe count <= octets.bytes.count - at else {
            isBroken = true
            return nil
        }
        defer { at += count }
        return at
    }
}
