import Testing

/// Sizes and offsets of what configures a plugin and hands its state over.
struct ConfigurationLayoutTests {
    @Test(arguments: ["config", "state"], Compiler.allCases)
    func everyMember_isWhereItsTableSays(feature: String, compiler: Compiler) throws {
        let table = Repository.path + "/Tests/Fixtures/abi-\(feature)-1/layout.txt"
        let layout = try FrozenLayout(try Repository.text(table))
        try compiler.check(
            layout.assertions(headers: ["\(feature).h"], exactly: false),
            headers: Repository.currentHeaders)
        let header = Repository.currentHeaders + "/pluginhost/\(feature).h"
        let declared = HeaderText(try Repository.text(header)).structs
        #expect(Set(declared.keys) == Set(layout.structs.map(\.name)))
        for (name, members) in declared {
            let listed = layout.structs.first { $0.name == name }?.members.map(\.name)
            #expect(listed == members.compactMap(HeaderText.memberName), "\(name)")
        }
    }
}
