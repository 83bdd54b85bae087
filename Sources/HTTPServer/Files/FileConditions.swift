import HTTPWire

/// What the fields of one request say about the file that it asks for, found in one walk.
struct FileConditions {
    private(set) var ifModifiedSince: ByteSlice?
    private(set) var ifUnmodifiedSince: ByteSlice?
    private(set) var ifRange: ByteSlice?
    private(set) var range: ByteSlice?
    private(set) var hasIfMatch = false
    private(set) var hasIfNoneMatch = false
    private(set) var codings = AcceptedCodings()
    /// Whether nothing is asked for but the file itself.
    var isEmpty: Bool {
        !hasIfMatch && !hasIfNoneMatch && range == nil && ifModifiedSince == nil
            && ifUnmodifiedSince == nil
    }

    init(_ exchange: Exchange) {
        let fields = unsafe exchange.fields
        for index in 0..<fields.count {
            let field = unsafe fields[index]
            switch field.name.count {
            case 5 where field.name.equalsIgnoringCase("range"): Self.take(field.value, &range)
            case 8:
                if field.name.equalsIgnoringCase("if-match") {
                    hasIfMatch = true
                }
                if field.name.equalsIgnoringCase("if-range") { Self.take(field.value, &ifRange) }
            case 13 where field.name.equalsIgnoringCase("if-none-match"):
                hasIfNoneMatch = true
            case 15 where field.name.equalsIgnoringCase("accept-encoding"):
                codings.take(field.value)
            case 17 where field.name.equalsIgnoringCase("if-modified-since"):
                Self.take(field.value, &ifModifiedSince)
            case 19 where field.name.equalsIgnoringCase("if-unmodified-since"):
                Self.take(field.value, &ifUnmodifiedSince)
            default: break
            }
        }
    }

    /// Takes a field that may come once; one that is repeated becomes empty, which is no valid
    /// value of any of them.
    private static func take(_ value: ByteSlice, _ place: inout ByteSlice?) {
        place = place == nil ? value : ByteSlice()
    }

    /// What the conditions come to.
    enum Verdict {
        case preconditionFailed, notModified, whole
        case ranges(ByteSlice)
    }

    /// Judges the conditions against the state of the file.
    ///
    /// - Source: RFC 9110, section 13.2.2 for the order; section 13.1.5 for `If-Range`.
    func judge(
        _ exchange: Exchange, _ tag: EntityTag?, modifiedSeconds: Int64, now: Int64
    ) -> Verdict {
        if hasIfMatch {
            let mayGoOn = Self.anyValue(of: "if-match", exchange) {
                EntityTag.ifMatch($0, current: tag)
            }
            if !mayGoOn { return .preconditionFailed }
        } else if let value = ifUnmodifiedSince, let date = HTTPDate.parse(value, now: now),
            modifiedSeconds > date
        {
            return .preconditionFailed
        }
        if hasIfNoneMatch {
            let isKnown = Self.anyValue(of: "if-none-match", exchange) {
                !EntityTag.ifNoneMatch($0, current: tag)
            }
            if isKnown { return .notModified }
        } else if let value = ifModifiedSince, let date = HTTPDate.parse(value, now: now),
            modifiedSeconds <= date
        {
            return .notModified
        }
        guard let range, exchange.head.method == .get else { return .whole }
        guard let ifRange else { return .ranges(range) }
        if let given = EntityTag(ifRange) {
            return tag?.matchesStrongly(given) == true ? .ranges(range) : .whole
        }
        // A date serves as a strong validator only when the file has not changed within its second.
        let isSame = HTTPDate.parse(ifRange, now: now) == modifiedSeconds && tag?.isWeak == false
        return isSame ? .ranges(range) : .whole
    }

    /// Whether the test holds for the value of any field of that name.
    private static func anyValue(
        of name: StaticString, _ exchange: Exchange, _ holds: (ByteSlice) -> Bool
    ) -> Bool {
        let fields = unsafe exchange.fields
        for index in 0..<fields.count {
            let field = unsafe fields[index]
            if field.name.equalsIgnoringCase(name), holds(field.value) { return true }
        }
        return false
    }
}
