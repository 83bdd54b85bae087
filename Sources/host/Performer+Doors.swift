import HostModel
import PluginHost

/// Where the admin interface is to be offered.
extension Performer {
    func adminDoors() throws -> AdminDoors {
        var doors = AdminDoors()
        for text in invocation.values("--admin-listen") {
            do throws(HostError) {
                try doors.add(text)
            } catch {
                throw Invocation.UsageError(
                    message: "--admin-listen \(text): " + error.reasons.joined(separator: "; "),
                    verb: .serve)
            }
        }
        for text in invocation.values("--admin-uid") {
            guard let user = UInt32(text) else {
                throw Invocation.UsageError(
                    message: "--admin-uid \(text): it is not the number of a user", verb: .serve)
            }
            doors.users.insert(user)
        }
        if let path = invocation.value("--admin-token") {
            doors.token = try AdminToken(readingFrom: CommandEnvironment.absolute(path))
        }
        return doors
    }
}
