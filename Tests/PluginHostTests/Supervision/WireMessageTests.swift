import CLinux
import Glibc
import HostModel
import Testing

@testable import PluginHost

/// What supervisors and engines say to each other.
@Suite struct WireMessageTests {
    private func sockets() throws -> [Int32] {
        var pair: [Int32] = [-1, -1]
        try #require(linux_message_sockets(&pair) == 0)
        return pair
    }

    @Test func message_crossesWithItsDescriptors() throws {
        let wire = try sockets()
        let own = try sockets()
        defer { for fd in wire + own { close(fd) } }
        let sent = WireMessage(
            word: .child, number: 7, json: ["pid": 12], descriptors: [own[0], own[1]])
        #expect(sent.send(over: wire[0], waits: false) == 0)
        let got = try #require(WireMessage.receive(from: wire[1], waits: true))
        defer { got.closeDescriptors() }
        #expect(got.word == .child && got.number == 7 && got.json["pid"]?.integer == 12)
        #expect(got.descriptors.count == 2 && !got.descriptors.contains(own[0]))
        // They are the same sockets.
        #expect(linux_send(got.descriptors[0], "x", 1, 0) == 1)
        var byte: UInt8 = 0
        #expect(read(own[1], &byte, 1) == 1 && byte == UInt8(ascii: "x"))
        // And nobody who is started inherits them.
        #expect(fcntl(got.descriptors[0], F_GETFD) & FD_CLOEXEC != 0)
    }

    @Test func wordsOfOtherVersions_areUnknown_andNothingIsNil() throws {
        let wire = try sockets()
        defer { for fd in wire { close(fd) } }
        #expect(WireMessage.receive(from: wire[1], waits: false) == nil)
        #expect(linux_send(wire[0], "sing 3", 6, 0) == 6)
        #expect(WireMessage.receive(from: wire[1], waits: true)?.word == .unknown)
        let long = WireMessage(
            word: .launch,
            json: .string(String(repeating: "x", count: WireMessage.bytesMax)))
        #expect(long.send(over: wire[0], waits: true) == EMSGSIZE)
        #expect(WireMessage.receive(from: wire[1], waits: false) == nil)
    }

    @Test func plan_isTheSame_whereverItIsCarriedOut() throws {
        var plan = ChildProcess.Plan(
            executable: "/bin/echo", arguments: ["a b", ""], environment: ["B": "2", "A": "1"])
        plan.directory = "/tmp"
        plan.listensOnDescriptors = true
        let again = try #require(ChildProcess.Plan(json: .object(plan.json)))
        #expect(again.executable == plan.executable && again.arguments == plan.arguments)
        #expect(again.environment == plan.environment && again.directory == "/tmp")
        #expect(again.listensOnDescriptors)
        #expect(ChildProcess.Plan(json: ["path": "/bin/echo"]) == nil)
    }

    @Test func children_areLeftToTheNextProgram() throws {
        let child = KeptChild(
            id: 4, pid: 99, pidfd: try #require(sockets().first), descriptors: try sockets(),
            description: ["plugin": "notes"], startedAt: 17, owner: nil)
        let file = Bequest.note([child], last: 9, [])
        #expect(file >= 0)
        let bequest = try Bequest("1,3,4,0,5,1.2.3.4,6.7,\(file)")
        #expect(bequest.doors == [6, 7])
        #expect(bequest.text == "1,3,4,0,5,1.2.3.4,6.7,\(file)")
        let (found, last) = bequest.takeChildren([])
        #expect(last == 9 && found.count == 1)
        let again = try #require(found.first)
        #expect(again.id == 4 && again.pid == 99 && again.startedAt == 17)
        #expect(again.descriptors == child.descriptors)
        #expect(again.description["plugin"]?.string == "notes" && again.owner == nil)
        // What a version without children has written.
        let older = try Bequest("1,3,4,0,5,1.2.3.4")
        #expect(older.takeChildren([]).0.isEmpty && older.doors.isEmpty)
        for fd in [child.pidfd] + child.descriptors { close(fd) }
    }
}
