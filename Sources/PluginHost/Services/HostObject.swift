import CPluginABI
import DynamicLibrary
import Glibc
import HostModel

/// What one generation of a plugin is handed as its `ph_host`, with all the memory it points at.
///
/// It must outlive the image: it is freed after the image has been closed, and never when the image
/// stays in memory.
@safe final class HostObject: @unchecked Sendable {  // because it is written once, in init

    /// The C struct and, behind it, what the host needs to know when it is called with it.
    @unsafe private struct Block {
        var host: ph_host
        var services: Unmanaged<ServiceDoor>
    }

    private let block: UnsafeMutablePointer<Block>
    private let texts: [UnsafeMutablePointer<CChar>]
    private let door: ServiceDoor

    /// Whose host it is.
    var member: Member { door.member }

    /// The services that the plugin is given.
    var granted: Set<String> { door.granted }

    var pointer: UnsafePointer<ph_host> {
        unsafe UnsafeRawPointer(block).assumingMemoryBound(to: ph_host.self)
    }

    init(door: ServiceDoor, directories: PluginDirectories, http: UnsafePointer<ph_http>) {
        var texts: [UnsafeMutablePointer<CChar>] = unsafe []
        func text(_ value: String) -> ph_text {
            var value = value
            return value.withUTF8 { bytes in
                let copy = UnsafeMutablePointer<CChar>.allocate(capacity: bytes.count + 1)
                unsafe copy.initialize(repeating: 0, count: bytes.count + 1)
                for unsafe(index, byte) in unsafe bytes.enumerated() {
                    unsafe copy[index] = CChar(bitPattern: byte)
                }
                unsafe texts.append(copy)
                return unsafe ph_text(data: copy, length: bytes.count)
            }
        }
        self.door = door
        let host = unsafe ph_host(
            size: UInt32(MemoryLayout<ph_host>.size), abi_version: HostVersion.abi,
            host_version: text(HostVersion.text), plugin_name: text(door.member.name.text),
            generation: door.member.number, directory: text(directories.root),
            static_directory: text(directories.staticFiles),
            sqlite_directory: text(directories.sqlite), events_directory: text(directories.events),
            run_directory: text(directories.run), http: http,
            service: { host, id in
                guard let host = unsafe host else { return nil }
                let plugin = ImageContext.enter(0)
                defer { ImageContext.leave(plugin) }
                let block = unsafe UnsafeRawPointer(host).assumingMemoryBound(to: Block.self)
                return unsafe block.pointee.services._withUnsafeGuaranteedRef { unsafe $0.open(id) }
            })
        unsafe self.texts = texts
        unsafe block = UnsafeMutablePointer<Block>.allocate(capacity: 1)
        unsafe block.initialize(to: Block(host: host, services: Unmanaged.passUnretained(door)))
    }

    /// The service door that stands behind a `ph_host` of ours.
    static func door(of host: UnsafePointer<ph_host>) -> ServiceDoor {
        let block = unsafe UnsafeRawPointer(host).assumingMemoryBound(to: Block.self)
        return unsafe block.pointee.services.takeUnretainedValue()
    }

    deinit {
        unsafe block.deinitialize(count: 1)
        unsafe block.deallocate()
        for index in unsafe texts.indices { unsafe texts[index].deallocate() }
    }
}

/// The directories that a plugin is told of, as absolute paths.
struct PluginDirectories: Sendable {
    var root: String
    var staticFiles: String
    var sqlite: String
    var events: String
    var run: String
}
