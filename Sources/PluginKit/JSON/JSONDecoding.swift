#if !hasFeature(Embedded)
    extension JSON {
        /// Reads a value out of JSON.
        ///
        /// - Throws: `HTTPError` 422 naming the field that is missing or of another type, so that a
        ///   handler can let it pass to the client.
        public func decode<Value: Decodable>(_ type: Value.Type = Value.self) throws -> Value {
            try decode(type) { field, expectation in
                HTTPError.invalid([InvalidField(field, expectation)])
            }
        }

        /// Does the same, with another error for a field that is missing or of another type.
        func decode<Value: Decodable>(
            _ type: Value.Type, refusing: (_ field: String, _ expectation: String) -> any Error
        ) throws -> Value {
            do {
                return try Value(from: JSONDecoding(json: self, codingPath: []))
            } catch let error as DecodingError {
                throw refusing(error.field, error.expectation)
            }
        }
    }

    extension RequestBody {
        /// Reads a value out of a body of JSON: `try request.body.decode(NewNote.self)`.
        ///
        /// - Throws: `HTTPError` 400 when it is no JSON; 422 naming the field that is missing or of
        ///   another type.
        public func decode<Value: Decodable>(_ type: Value.Type = Value.self) throws -> Value {
            try json().decode(type)
        }
    }

    extension DecodingError {
        fileprivate var context: Context? {
            switch self {
            case .typeMismatch(_, let context), .valueNotFound(_, let context),
                .dataCorrupted(let context):
                context
            case .keyNotFound(let key, let context):
                Context(codingPath: context.codingPath + [key], debugDescription: "must be there")
            @unknown default: nil
            }
        }

        fileprivate var field: String {
            let path = context?.codingPath ?? []
            return path.map { $0.intValue.map(String.init) ?? $0.stringValue }.joined(
                separator: ".")
        }

        fileprivate var expectation: String { context?.debugDescription ?? "is not valid" }
    }

    private struct JSONKey: CodingKey {
        let stringValue: String
        let intValue: Int?

        init(stringValue: String) {
            self.stringValue = stringValue
            intValue = nil
        }

        init(intValue: Int) {
            stringValue = String(intValue)
            self.intValue = intValue
        }
    }

    private struct JSONDecoding: Decoder, SingleValueDecodingContainer {
        let json: JSON
        let codingPath: [any CodingKey]
        var userInfo: [CodingUserInfoKey: Any] { [:] }

        func container<Key: CodingKey>(
            keyedBy type: Key.Type
        ) throws -> KeyedDecodingContainer<Key> {
            let members = try take(json.object, "an object")
            return KeyedDecodingContainer(
                JSONObjectDecoding(json: json, members: members, codingPath: codingPath))
        }

        func unkeyedContainer() throws -> any UnkeyedDecodingContainer {
            let elements = try take(json.array, "an array")
            return JSONArrayDecoding(elements: elements, codingPath: codingPath)
        }

        func singleValueContainer() -> any SingleValueDecodingContainer { self }

        func decodeNil() -> Bool {
            if case .null = json { true } else { false }
        }

        func decode(_ type: Bool.Type) throws -> Bool { try take(json.bool, "true or false") }
        func decode(_ type: String.Type) throws -> String { try take(json.string, "a text") }
        func decode(_ type: Double.Type) throws -> Double { try take(json.number, "a number") }
        func decode(_ type: Float.Type) throws -> Float { Float(try decode(Double.self)) }
        func decode(_ type: Int.Type) throws -> Int { try integer(type) }
        func decode(_ type: Int8.Type) throws -> Int8 { try integer(type) }
        func decode(_ type: Int16.Type) throws -> Int16 { try integer(type) }
        func decode(_ type: Int32.Type) throws -> Int32 { try integer(type) }
        func decode(_ type: Int64.Type) throws -> Int64 { try integer(type) }
        func decode(_ type: UInt.Type) throws -> UInt { try integer(type) }
        func decode(_ type: UInt8.Type) throws -> UInt8 { try integer(type) }
        func decode(_ type: UInt16.Type) throws -> UInt16 { try integer(type) }
        func decode(_ type: UInt32.Type) throws -> UInt32 { try integer(type) }
        func decode(_ type: UInt64.Type) throws -> UInt64 { try integer(type) }

        func decode<Value: Decodable>(_ type: Value.Type) throws -> Value {
            try Value(from: self)
        }

        private func integer<Number: FixedWidthInteger>(_ type: Number.Type) throws -> Number {
            try take(
                json.integer.flatMap(Number.init(exactly:)),
                "a whole number from \(Number.min) to \(Number.max)")
        }

        private func take<Value>(_ value: Value?, _ expected: String) throws -> Value {
            guard let value else {
                throw DecodingError.typeMismatch(
                    Value.self,
                    .init(codingPath: codingPath, debugDescription: "must be " + expected)
                )
            }
            return value
        }
    }

    private struct JSONArrayDecoding: UnkeyedDecodingContainer {
        let elements: [JSON]
        let codingPath: [any CodingKey]
        var currentIndex = 0
        var count: Int? { elements.count }
        var isAtEnd: Bool { currentIndex >= elements.count }

        init(elements: [JSON], codingPath: [any CodingKey]) {
            self.elements = elements
            self.codingPath = codingPath
        }

        mutating func decodeNil() throws -> Bool {
            guard try peek().decodeNil() else { return false }
            currentIndex += 1
            return true
        }

        mutating func decode<Value: Decodable>(_ type: Value.Type) throws -> Value {
            let value = try Value(from: peek())
            currentIndex += 1
            return value
        }

        mutating func nestedContainer<Key: CodingKey>(
            keyedBy type: Key.Type
        ) throws -> KeyedDecodingContainer<Key> {
            let container = try peek().container(keyedBy: type)
            currentIndex += 1
            return container
        }

        mutating func nestedUnkeyedContainer() throws -> any UnkeyedDecodingContainer {
            let container = try peek().unkeyedContainer()
            currentIndex += 1
            return container
        }

        mutating func superDecoder() throws -> any Decoder {
            let decoder = try peek()
            currentIndex += 1
            return decoder
        }

        private func peek() throws -> JSONDecoding {
            let path = codingPath + [JSONKey(intValue: currentIndex)]
            guard !isAtEnd else {
                throw DecodingError.valueNotFound(
                    JSON.self, .init(codingPath: path, debugDescription: "must be there"))
            }
            return JSONDecoding(json: elements[currentIndex], codingPath: path)
        }
    }

    private struct JSONObjectDecoding<Key: CodingKey>: KeyedDecodingContainerProtocol {
        let json: JSON
        let members: [JSON.Member]
        let codingPath: [any CodingKey]

        var allKeys: [Key] { members.compactMap { Key(stringValue: $0.name) } }

        func contains(_ key: Key) -> Bool { json[key.stringValue] != nil }
        func decodeNil(forKey key: Key) throws -> Bool { try decoder(key).decodeNil() }

        func decode<Value: Decodable>(_ type: Value.Type, forKey key: Key) throws -> Value {
            try Value(from: decoder(key))
        }

        func nestedContainer<Nested: CodingKey>(
            keyedBy type: Nested.Type, forKey key: Key
        ) throws -> KeyedDecodingContainer<Nested> {
            try decoder(key).container(keyedBy: type)
        }

        func nestedUnkeyedContainer(forKey key: Key) throws -> any UnkeyedDecodingContainer {
            try decoder(key).unkeyedContainer()
        }

        func superDecoder() throws -> any Decoder {
            JSONDecoding(json: json["super"] ?? .null, codingPath: codingPath)
        }

        func superDecoder(forKey key: Key) throws -> any Decoder { try decoder(key) }

        private func decoder(_ key: Key) throws -> JSONDecoding {
            guard let value = json[key.stringValue] else {
                throw DecodingError.keyNotFound(
                    key, .init(codingPath: codingPath, debugDescription: "must be there"))
            }
            return JSONDecoding(json: value, codingPath: codingPath + [key])
        }
    }
#endif
