/// Writes JSON, as short as it can be.
struct JSONWriter {
    var output: [UInt8] = []

    mutating func write(_ value: JSON) {
        switch value {
        case .null: write(literal: "null")
        case .bool(let value): write(literal: value ? "true" : "false")
        case .integer(let number): write(number)
        case .number(let number): write(number)
        case .string(let text): write(text)
        case .array(let elements):
            output.append(UInt8(ascii: "["))
            for index in elements.indices {
                if index > 0 { output.append(UInt8(ascii: ",")) }
                write(elements[index])
            }
            output.append(UInt8(ascii: "]"))
        case .object(let members):
            output.append(UInt8(ascii: "{"))
            for index in members.indices {
                if index > 0 { output.append(UInt8(ascii: ",")) }
                write(members[index].name)
                output.append(UInt8(ascii: ":"))
                write(members[index].value)
            }
            output.append(UInt8(ascii: "}"))
        }
    }

    private mutating func write(literal text: StaticString) {
        unsafe output.append(
            contentsOf: UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    private mutating func write(_ number: Int) {
        output.append(contentsOf: String(number).utf8)
    }

    /// JSON has no infinity and no NaN; they are written as null, as JavaScript does.
    private mutating func write(_ number: Double) {
        guard number.isFinite else { return write(literal: "null") }
        if let whole = Int(exactly: number), whole.magnitude < 1 << 53 { return write(whole) }
        output.append(contentsOf: number.description.utf8)
    }

    private mutating func write(_ text: String) {
        output.append(UInt8(ascii: "\""))
        var text = text
        text.withUTF8 { bytes in
            var copied = 0
            for index in bytes.indices {
                let byte = unsafe bytes[index]
                guard byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") else {
                    continue
                }
                unsafe output.append(contentsOf: bytes[copied..<index])
                writeEscaped(byte)
                copied = index + 1
            }
            unsafe output.append(contentsOf: bytes[copied...])
        }
        output.append(UInt8(ascii: "\""))
    }

    private mutating func writeEscaped(_ byte: UInt8) {
        switch byte {
        case UInt8(ascii: "\""): write(literal: "\\\"")
        case UInt8(ascii: "\\"): write(literal: "\\\\")
        case 0x0A: write(literal: "\\n")
        case 0x0D: write(literal: "\\r")
        case 0x09: write(literal: "\\t")
        default:
            write(literal: "\\u00")
            output.append(hexadecimal(byte >> 4))
            output.append(hexadecimal(byte & 15))
        }
    }

    private func hexadecimal(_ digit: UInt8) -> UInt8 {
        digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") + digit - 10
    }
}
