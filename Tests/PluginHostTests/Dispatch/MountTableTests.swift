import HostModel
import Testing

@testable import PluginHost

@Suite struct MountTableTests {
    private func mount(_ name: String) throws -> Mount {
        Mount(name: try PluginName(checking: name), generation: nil)
    }

    private func find(_ table: MountTable, _ name: String) -> Mount? {
        Array("/plugin/\(name)/api".utf8).withUnsafeBufferPointer { bytes in
            guard let base = bytes.baseAddress else { return nil }
            let segment = PathSegment(base + 8, pathEnd: base + bytes.count)
            #expect(segment.count == name.utf8.count)
            return table.view.find(segment)?.mount.takeUnretainedValue()
        }
    }

    @Test func everyMount_isFoundByItsName_andNoOther() throws {
        let names =
            (0..<1000).map { "plugin-\($0)" } + ["a", "ab", "abc", "a-name-of-more-than-sixteen"]
        let table = MountTable(mounts: try names.map(mount))
        for name in names { #expect(find(table, name)?.name.text == name) }
        for name in ["b", "plugin-1000", "a-name-of-nore-than-sixteen", "plugin-", "Plugin-1"] {
            #expect(find(table, name) == nil)
        }
    }

    @Test func replacedMount_isAnother_andTheRestIsShared() throws {
        let first = MountTable(mounts: [try mount("one"), try mount("two")])
        let new = try mount("two")
        let second = first.replacing([new])
        #expect(find(second, "two") === new)
        #expect(find(first, "two") !== new)
        #expect(find(second, "one") === find(first, "one"))
    }

    @Test func removedMount_isGone_andTheOldTableKeepsIt() throws {
        let first = MountTable(mounts: [try mount("one"), try mount("two")])
        let second = first.removing(try PluginName(checking: "one"))
        #expect(find(second, "one") == nil)
        #expect(find(second, "two") != nil)
        #expect(find(first, "one") != nil)
    }

    @Test func emptyTable_findsNothing() {
        #expect(find(MountTable(), "one") == nil)
    }

    @Test func mountWithoutGeneration_isUnavailable() throws {
        #expect(try mount("one").availability == .unavailable(retryAfterSeconds: 1))
    }
}
