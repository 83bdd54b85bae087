import Foundation
import Testing

/// The headers of the contract stand alone, and keep what ABI 1.0 promised.
struct HeaderTests {
    @Test(arguments: Compiler.allCases)
    func eachHeader_compilesAlone_withEveryWarningAnError(compiler: Compiler) throws {
        for directory in [Repository.currentHeaders, Repository.frozenHeaders] {
            for name in try Repository.headerNames(in: directory) {
                try compiler.check("#include <pluginhost/\(name)>\n", headers: directory)
            }
        }
    }

    @Test(arguments: Compiler.allCases)
    func aHeaderWithAWarning_isNotAccepted(compiler: Compiler) {
        #expect(throws: Tool.Failure.self) {
            try compiler.check(
                "static int narrow(long x) { return x; }\nint use(void);\n"
                    + "int use(void) { return narrow(1); }\n",
                headers: Repository.currentHeaders)
        }
    }

    @Test func currentHeaders_onlyAppend_toTheFrozenOnes() throws {
        for name in try Repository.headerNames(in: Repository.frozenHeaders) {
            let frozen = HeaderText(
                try Repository.text("\(Repository.frozenHeaders)/pluginhost/\(name)"))
            let current = HeaderText(
                try Repository.text("\(Repository.currentHeaders)/pluginhost/\(name)"))
            #expect(frozen.objections(to: current) == [], "in \(name)")
            #expect(!frozen.structs.isEmpty, "\(name) declares no struct")
        }
    }

    @Test(arguments: [
        (
            "    uint32_t route; /*", "    uint32_t flags; uint32_t route; /*",
            "struct ph_request does not begin as it did"
        ),
        (
            "ph_status (*finish)(ph_response *response);",
            "ph_status (*finish)(ph_response *response, int how);",
            "struct ph_http does not begin as it did"
        ),
        ("PH_PENDING = 1", "PH_PENDING = 3", "the value of PH_PENDING has changed"),
        (
            "#define PH_NOTE_TYPE 1u", "#define PH_NOTE_TYPE 2u",
            "the macro PH_NOTE_TYPE has changed"
        ),
        (
            "const ph_plugin *ph_plugin_entry(const ph_host *host, uint32_t abi_version);",
            "const ph_plugin *ph_plugin_entry(const ph_host *host);",
            "the function ph_plugin_entry has changed"
        ),
    ])
    func aBreakingChange_isNoticed(old: String, new: String, objection: String) throws {
        let text = try Repository.text(Repository.frozenHeaders + "/pluginhost/plugin.h")
        try #require(text.contains(old))
        let changed = HeaderText(text.replacingOccurrences(of: old, with: new))
        #expect(HeaderText(text).objections(to: changed) == [objection])
    }

    @Test func anAppendedMember_andANewValue_areAllowed() throws {
        let text = try Repository.text(Repository.frozenHeaders + "/pluginhost/plugin.h")
        let grown =
            text
            .replacingOccurrences(
                of: "    ph_status (*resume_body)(ph_response *response);",
                with: "    ph_status (*resume_body)(ph_response *response);\n"
                    + "    ph_status (*flush)(ph_response *response);"
            )
            .replacingOccurrences(
                of: "PH_UNSUPPORTED = -7", with: "PH_UNSUPPORTED = -7,\n    PH_LATER = -8")
        #expect(HeaderText(text).objections(to: HeaderText(grown)) == [])
        #expect(
            HeaderText(grown).objections(to: HeaderText(text)) == [
                "struct ph_http does not begin as it did", "the value of PH_LATER has changed",
            ])
    }
}
