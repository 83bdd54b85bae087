import Foundation

/// What a header declares, read from its text: enough C to compare two versions of it.
struct HeaderText {
    /// The members of each struct, in order, each as its tokens.
    private(set) var structs: [String: [[String]]] = [:]
    /// The enumerators, each with the tokens of its value.
    private(set) var values: [String: [String]] = [:]
    /// The macros, each with what it stands for.
    private(set) var macros: [String: [String]] = [:]
    /// The functions, each with its declaration up to the body.
    private(set) var functions: [String: [String]] = [:]

    init(_ text: String) {
        var code: [String] = []
        var directive = ""
        for line in Self.withoutComments(text).split(separator: "\n") {
            if directive.isEmpty && !line.drop(while: { $0 == " " }).hasPrefix("#") {
                code += Self.tokens(line)
                continue
            }
            directive += line.hasSuffix("\\") ? line.dropLast() : line
            if !line.hasSuffix("\\") {
                readDirective(Self.tokens(directive[...]))
                directive = ""
            }
        }
        readDeclarations(code)
    }

    /// Why code that was built with this header might not work with the other one.
    func objections(to newer: HeaderText) -> [String] {
        var result: [String] = []
        for (name, members) in structs where !(newer.structs[name] ?? []).starts(with: members) {
            result.append("struct \(name) does not begin as it did")
        }
        for (name, value) in values where newer.values[name] != value {
            result.append("the value of \(name) has changed")
        }
        for (name, body) in macros where newer.macros[name] != body && name != "PH_ABI_MINOR" {
            result.append("the macro \(name) has changed")
        }
        for (name, declaration) in functions where newer.functions[name] != declaration {
            result.append("the function \(name) has changed")
        }
        return result.sorted()
    }

    /// The name that a member's declaration gives.
    static func memberName(_ declaration: [String]) -> String? {
        if let star = declaration.indices.first(where: {
            declaration[$0] == "*" && $0 > 0 && declaration[$0 - 1] == "("
        }) {
            return declaration[star + 1]
        }
        let end = declaration.firstIndex(of: "[") ?? declaration.endIndex
        return declaration[..<end].last
    }

    private static func withoutComments(_ text: String) -> String {
        var result = ""
        var rest = text[...]
        while let start = rest.range(of: "/*") {
            result += rest[..<start.lowerBound] + " "
            guard let end = rest.range(of: "*/", range: start.upperBound..<rest.endIndex) else {
                return result
            }
            rest = rest[end.upperBound...]
        }
        return result + rest
    }

    /// Words, string literals, and single characters of punctuation.
    private static func tokens(_ line: Substring) -> [String] {
        var result: [String] = []
        var rest = line
        while let first = rest.first {
            if first.isWhitespace {
                rest = rest.dropFirst()
                continue
            }
            var length = 1
            if first == "\"" {
                length = rest.dropFirst().prefix { $0 != "\"" }.count + 2
            } else if first.isLetter || first.isNumber || first == "_" {
                length = rest.prefix { $0.isLetter || $0.isNumber || $0 == "_" }.count
            }
            result.append(String(rest.prefix(length)))
            rest = rest.dropFirst(length)
        }
        return result
    }

    private mutating func readDirective(_ tokens: [String]) {
        guard tokens.count > 2, tokens[1] == "define" else { return }
        macros[tokens[2]] = Array(tokens[3...])
    }

    private mutating func readDeclarations(_ tokens: [String]) {
        var declaration: [String] = []
        var index = 0
        while index < tokens.count {
            let token = tokens[index]
            if token == "extern", index + 2 < tokens.count, tokens[index + 2] == "{" {
                index += 3
                continue
            }
            if token == "{" {
                let end = Self.closingBrace(tokens, from: index)
                read(declaration, body: Array(tokens[(index + 1)..<end]))
                // Past the names that may stand between a struct's body and its semicolon.
                index = end + 1
                if declaration.first.map({ ["typedef", "struct", "enum"].contains($0) }) == true {
                    index = (tokens[index...].firstIndex(of: ";") ?? tokens.count - 1) + 1
                }
                declaration = []
                continue
            }
            if token == ";" {
                read(declaration, body: nil)
                declaration = []
            } else if token != "}" {
                declaration.append(token)
            }
            index += 1
        }
    }

    private static func closingBrace(_ tokens: [String], from start: Int) -> Int {
        var depth = 0
        for index in start..<tokens.count {
            depth += tokens[index] == "{" ? 1 : tokens[index] == "}" ? -1 : 0
            if depth == 0 { return index }
        }
        return tokens.count
    }

    private mutating func read(_ declaration: [String], body: [String]?) {
        if declaration.contains("enum"), let body {
            for entry in body.split(separator: ",") where !entry.isEmpty {
                let words = Array(entry)
                values[words[0]] = Array(words.dropFirst(2))
            }
        } else if let at = declaration.firstIndex(of: "struct"), let body,
            !declaration.contains("(")
        {
            structs[declaration[at + 1]] = body.split(separator: ";").map(Array.init)
        } else if let parenthesis = declaration.lastIndex(of: "("), parenthesis > 0 {
            let opening = declaration[..<parenthesis].last ?? ""
            functions[opening] = declaration
        }
    }
}
