import CLinux
import DynamicLibrary
import HostModel

/// Measures what one generation uses; only ever touched by the manager.
final class ResourceMeter {
    /// What the threads and processes had used when they were last looked at.
    private var threads: [Int32: Double] = [:]
    private var processes: [Int32: Double] = [:]
    private var ended = CPUTime()

    /// The processor time that a generation has used so far.
    func cpu(of image: HostedImage) -> CPUTime {
        var time = ended
        if let generation = image.generation {
            time.reactors += TickClock.shared.seconds(generation.traffic.busyTicks)
            time.pool += generation.pool.cpuSeconds
        }
        let late = image.generation?.calls.late ?? [:]
        let tids = (image.loaded.holdings?.threads.map(\.tid) ?? []) + late.keys
        let threads = Self.follow(tids, &threads, &ended.threads) { tid in
            let nanoseconds = linux_thread_nanoseconds(tid)
            return nanoseconds < 0 ? nil : Double(nanoseconds - late[tid, default: 0]) / 1e9
        }
        let processes = Self.follow(image.loaded.processes, &processes, &ended.processes) {
            ProcessFigures(pid: $0)?.cpuSeconds
        }
        time.threads = ended.threads + threads
        time.processes = ended.processes + processes
        return time
    }

    /// Looks at everything that lives; what has gone since the last look is added to `ended`.
    ///
    /// - Returns: what those have used that live.
    private static func follow(
        _ ids: [Int32], _ seen: inout [Int32: Double], _ ended: inout Double,
        _ seconds: (Int32) -> Double?
    ) -> Double {
        var living: [Int32: Double] = [:]
        for id in ids where id > 0 {
            guard let now = seconds(id) else { continue }
            // A number that has been used again counts from nothing.
            if let before = seen[id], before <= now { seen[id] = nil }
            living[id] = now
        }
        ended += seen.values.reduce(0, +)
        seen = living
        return living.values.reduce(0, +)
    }
}

extension HostedImage {
    /// Memory that is the generation's alone: resident in its processes, or private pages of its
    /// image. What it has on the host's heap is not told from what others have.
    var memoryBytes: Int {
        guard loaded.processes.isEmpty else {
            return loaded.processes.reduce(0) {
                $0 + (ProcessFigures(pid: $1)?.residentBytes ?? 0)
            }
        }
        return loaded.privateBytes
    }

    /// Threads that it started, or those of its processes.
    var threadCount: Int {
        guard loaded.processes.isEmpty else {
            return loaded.processes.reduce(0) { $0 + (ProcessFigures(pid: $1)?.threads ?? 0) }
        }
        return (loaded.holdings?.threads.count ?? 0) + (generation?.pool.figures.threads ?? 0)
    }

    /// Descriptors that are open in its processes; nil within the host, where they have no owner.
    var descriptorCount: Int? {
        guard !loaded.processes.isEmpty else { return nil }
        return loaded.processes.reduce(0) {
            $0 + (ProcessFigures(pid: $1)?.openDescriptors ?? 0)
        }
    }
}

extension PluginSlot {
    /// The processor time of all generations.
    var cpu: CPUTime {
        images.reduce(into: pastCPU) { $0 += $1.meter.cpu(of: $1) }
    }

    /// What the plugin uses now.
    ///
    /// - Parameter cpuPercent: of one processor, since some earlier moment.
    func usage(cpuPercent: Double) -> ResourceUsage {
        let descriptors = images.compactMap(\.descriptorCount)
        return ResourceUsage(
            cpuPercent: cpuPercent, memoryBytes: images.reduce(0) { $0 + $1.memoryBytes },
            threads: images.reduce(0) { $0 + $1.threadCount },
            descriptors: descriptors.isEmpty ? nil : descriptors.reduce(0, +),
            inFlight: images.reduce(0) { $0 + $1.requestsInFlight })
    }
}
