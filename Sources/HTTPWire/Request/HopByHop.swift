/// The fields that are meant for one connection and go no further.
///
/// - Source: RFC 9110, section 7.6.1.
public enum HopByHop {
    /// Says whether a field of this name is always for one connection alone.
    public static func holds(_ name: ByteSlice) -> Bool {
        switch name.count {
        case 2: name.equalsIgnoringCase("te")
        case 7: name.equalsIgnoringCase("upgrade")
        case 10: name.equalsIgnoringCase("connection") || name.equalsIgnoringCase("keep-alive")
        case 16: name.equalsIgnoringCase("proxy-connection")
        case 17: name.equalsIgnoringCase("transfer-encoding")
        default: false
        }
    }

    /// Says whether one of the `Connection` fields names this field.
    public static func isNamed(
        _ name: ByteSlice, in fields: UnsafeBufferPointer<HeaderField>
    ) -> Bool {
        for index in 0..<fields.count {
            let field = unsafe fields[index]
            guard field.name.count == 10, field.name.equalsIgnoringCase("connection") else {
                continue
            }
            var list = ListElements(field.value)
            while let element = list.next() {
                if element.equalsIgnoringCase(name) { return true }
            }
        }
        return false
    }

    /// Says whether one of the `Connection` fields names any field.
    public static func namesOptions(in fields: UnsafeBufferPointer<HeaderField>) -> Bool {
        for index in 0..<fields.count {
            let field = unsafe fields[index]
            guard field.name.count == 10, field.name.equalsIgnoringCase("connection") else {
                continue
            }
            var list = ListElements(field.value)
            while let element = list.next() {
                if !element.equalsIgnoringCase("close"), !element.equalsIgnoringCase("keep-alive"),
                    !element.equalsIgnoringCase("upgrade")
                {
                    return true
                }
            }
        }
        return false
    }
}
