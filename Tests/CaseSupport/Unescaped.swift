/// Reads the bytes that a line of a case file stands for.
///
/// - Shape: `\r`, `\n`, `\t`, `\0` and `\x` with two hex digits mean a byte; any other byte
///   behind a backslash means itself.
public func unescaped(_ line: some StringProtocol) -> [UInt8] {
    var bytes: [UInt8] = []
    var rest = Array(line.utf8)[...]
    while let byte = rest.popFirst() {
        guard byte == UInt8(ascii: "\\"), let escape = rest.popFirst() else {
            bytes.append(byte)
            continue
        }
        switch escape {
        case UInt8(ascii: "r"): bytes.append(0x0D)
        case UInt8(ascii: "n"): bytes.append(0x0A)
        case UInt8(ascii: "t"): bytes.append(0x09)
        case UInt8(ascii: "0"): bytes.append(0)
        case UInt8(ascii: "x"):
            let digits = String(decoding: rest.prefix(2), as: UTF8.self)
            bytes.append(UInt8(digits, radix: 16) ?? UInt8(ascii: "?"))
            rest = rest.dropFirst(2)
        default: bytes.append(escape)
        }
    }
    return bytes
}
