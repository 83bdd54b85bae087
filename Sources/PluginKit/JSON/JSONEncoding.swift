#if !hasFeature(Embedded)
    extension JSON {
        /// Makes JSON of a value: members are named as its coding keys; what is nil is left out.
        ///
        /// Types that encode themselves as numbers or texts do so here: a `Date` of Foundation is
        /// its number of seconds since 2001, as with an encoder that has not been told otherwise.
        ///
        /// - Throws: what the value throws when it is encoded.
        public init(encoding value: some Encodable) throws {
            let box = JSONBox()
            try value.encode(to: JSONEncoding(box: box, codingPath: []))
            self = box.json
        }
    }

    extension Response {
        /// A value as JSON: `.json(encoding: note)`.
        ///
        /// - Throws: what the value throws when it is encoded.
        public static func json(
            encoding value: some Encodable, status: Status = .ok
        ) throws -> Response {
            .json(try JSON(encoding: value), status: status)
        }
    }

    /// A place in a document that is being made.
    private final class JSONBox {
        enum Content {
            case value(JSON)
            case array([JSONBox])
            case object([(String, JSONBox)])
        }

        var content = Content.value(.object([]))

        var json: JSON {
            switch content {
            case .value(let value): value
            case .array(let boxes): .array(boxes.map(\.json))
            case .object(let members): .object(members.map { JSON.Member($0.0, $0.1.json) })
            }
        }

        func beginObject() {
            if case .object = content { return }
            content = .object([])
        }

        func beginArray() {
            if case .array = content { return }
            content = .array([])
        }

        var count: Int {
            if case .array(let boxes) = content { boxes.count } else { 0 }
        }

        func member(_ name: String) -> JSONBox {
            guard case .object(var members) = content else { return JSONBox() }
            let box = JSONBox()
            members.append((name, box))
            content = .object(members)
            return box
        }

        func element() -> JSONBox {
            guard case .array(var boxes) = content else { return JSONBox() }
            let box = JSONBox()
            boxes.append(box)
            content = .array(boxes)
            return box
        }
    }

    private struct JSONEncoding: Encoder {
        let box: JSONBox
        let codingPath: [any CodingKey]
        var userInfo: [CodingUserInfoKey: Any] { [:] }

        func container<Key: CodingKey>(keyedBy type: Key.Type) -> KeyedEncodingContainer<Key> {
            box.beginObject()
            return KeyedEncodingContainer(JSONObjectEncoding(box: box, codingPath: codingPath))
        }

        func unkeyedContainer() -> any UnkeyedEncodingContainer {
            box.beginArray()
            return JSONArrayEncoding(box: box, codingPath: codingPath)
        }

        func singleValueContainer() -> any SingleValueEncodingContainer {
            JSONValueEncoding(box: box, codingPath: codingPath)
        }
    }

    private struct JSONValueEncoding: SingleValueEncodingContainer {
        let box: JSONBox
        let codingPath: [any CodingKey]

        func encodeNil() { box.content = .value(.null) }
        func encode(_ value: Bool) { box.content = .value(.bool(value)) }
        func encode(_ value: String) { box.content = .value(.string(value)) }
        func encode(_ value: Double) { box.content = .value(.number(value)) }
        func encode(_ value: Float) { box.content = .value(.number(Double(value))) }

        /// Whole numbers of every width; those that do not fit become the nearest double.
        func encode<Number: BinaryInteger & Encodable>(_ value: Number) {
            box.content = .value(Int(exactly: value).map(JSON.integer) ?? .number(Double(value)))
        }

        func encode<Value: Encodable>(_ value: Value) throws {
            try value.encode(to: JSONEncoding(box: box, codingPath: codingPath))
        }
    }

    private struct JSONArrayEncoding: UnkeyedEncodingContainer {
        let box: JSONBox
        let codingPath: [any CodingKey]
        var count: Int { box.count }

        func encodeNil() { box.element().content = .value(.null) }

        func encode<Value: Encodable>(_ value: Value) throws {
            try value.encode(to: JSONEncoding(box: box.element(), codingPath: codingPath))
        }

        func nestedContainer<Key: CodingKey>(
            keyedBy type: Key.Type
        ) -> KeyedEncodingContainer<Key> {
            superEncoder().container(keyedBy: type)
        }

        func nestedUnkeyedContainer() -> any UnkeyedEncodingContainer {
            superEncoder().unkeyedContainer()
        }

        func superEncoder() -> any Encoder {
            JSONEncoding(box: box.element(), codingPath: codingPath)
        }
    }

    private struct JSONObjectEncoding<Key: CodingKey>: KeyedEncodingContainerProtocol {
        let box: JSONBox
        let codingPath: [any CodingKey]

        func encodeNil(forKey key: Key) { box.member(key.stringValue).content = .value(.null) }

        func encode<Value: Encodable>(_ value: Value, forKey key: Key) throws {
            try value.encode(to: encoder(key))
        }

        func nestedContainer<Nested: CodingKey>(
            keyedBy type: Nested.Type, forKey key: Key
        ) -> KeyedEncodingContainer<Nested> {
            encoder(key).container(keyedBy: type)
        }

        func nestedUnkeyedContainer(forKey key: Key) -> any UnkeyedEncodingContainer {
            encoder(key).unkeyedContainer()
        }

        func superEncoder() -> any Encoder {
            JSONEncoding(box: box.member("super"), codingPath: codingPath)
        }

        func superEncoder(forKey key: Key) -> any Encoder { encoder(key) }

        private func encoder(_ key: Key) -> JSONEncoding {
            JSONEncoding(box: box.member(key.stringValue), codingPath: codingPath + [key])
        }
    }
#endif
