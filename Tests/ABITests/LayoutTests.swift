import Foundation
import Testing

/// Sizes, offsets and values are those of the frozen table.
struct LayoutTests {
    private static let table = Repository.frozen + "/layout.txt"

    @Test(arguments: Compiler.allCases)
    func everyMember_isWhereTheFrozenTableSays(compiler: Compiler) throws {
        let layout = try FrozenLayout(try Repository.text(Self.table))
        let headers = try Repository.headerNames(in: Repository.frozenHeaders)
        try compiler.check(
            layout.assertions(headers: headers, exactly: true), headers: Repository.frozenHeaders)
        try compiler.check(
            layout.assertions(headers: headers, exactly: false), headers: Repository.currentHeaders)
    }

    /// The services that have a table of their own, by the name of their header.
    private static let services = ["events", "hooks", "registry", "rpc", "websocket"]

    @Test(arguments: Compiler.allCases, services)
    func everyMemberOfAService_isWhereItsTableSays(compiler: Compiler, service: String) throws {
        let table = Repository.path + "/Tests/Fixtures/abi-\(service)-1/layout.txt"
        let layout = try FrozenLayout(try Repository.text(table))
        try compiler.check(
            layout.assertions(headers: ["\(service).h"], exactly: false),
            headers: Repository.currentHeaders)
        let header = Repository.currentHeaders + "/pluginhost/\(service).h"
        for (name, members) in HeaderText(try Repository.text(header)).structs {
            let listed = layout.structs.first { $0.name == name }?.members.map(\.name)
            #expect(listed == members.compactMap(HeaderText.memberName), "\(name)")
        }
    }

    @Test func aMovedMember_isNoticed() throws {
        let text = try Repository.text(Self.table)
            .replacingOccurrences(of: "ph_request.route 4 4", with: "ph_request.route 0 4")
        let headers = try Repository.headerNames(in: Repository.frozenHeaders)
        let layout = try FrozenLayout(text)
        #expect(throws: Tool.Failure.self) {
            try Compiler.gccC11.check(
                layout.assertions(headers: headers, exactly: false),
                headers: Repository.currentHeaders)
        }
    }

    @Test func theFrozenTable_namesEveryMember_ofEveryStruct() throws {
        let layout = try FrozenLayout(try Repository.text(Self.table))
        var declared: [String: [String]] = [:]
        for name in try Repository.headerNames(in: Repository.frozenHeaders) {
            let path = "\(Repository.frozenHeaders)/pluginhost/\(name)"
            for (name, members) in HeaderText(try Repository.text(path)).structs {
                declared[name] = members.compactMap(HeaderText.memberName)
            }
        }
        let listed = Dictionary(
            uniqueKeysWithValues: layout.structs.map { ($0.name, $0.members.map(\.name)) })
        #expect(declared == listed)
        #expect(declared["ph_plugin"]?.last == "extension")
    }

    @Test func everyStructThatGrows_beginsWithItsSize_exceptRoutes() throws {
        let layout = try FrozenLayout(try Repository.text(Self.table))
        for one in layout.structs where one.grows && one.name != "ph_route" {
            #expect(one.members.first == .init(name: "size", offset: 0, size: 4), "\(one.name)")
        }
    }
}
