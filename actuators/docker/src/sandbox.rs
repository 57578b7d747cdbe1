//! The container that only holds what the containers of a pod share: its network, its processes, its
//! folders in memory.
//!
//! Containers of a pod share one network namespace. If the first of them held it, its restart would
//! leave the others in a namespace that no longer leads anywhere; so a process that does nothing
//! and never ends holds it instead. Its image is made here, of one program of a few instructions,
//! because a node may have no registry.

use bollard::Docker;
use bollard::models::ContainerCreateBody;
use bollard::query_parameters::CreateImageOptionsBuilder;
use futures::TryStreamExt;
use setpoint_actuators::{ActuatorError, PodToRun};

use crate::body::{NetworkOf, with_network};
use crate::engine::unavailable;
use crate::image::is_present;
use crate::names::{ORDERED, SANDBOX, pod_labels};
use crate::{DockerConfig, memory};

/// The image that is made here. The version is that of the program.
const IMAGE: &str = "setpoint/sandbox";
const IMAGE_TAG: &str = "1";
const PROGRAM: &str = "pause";

/// `pause(); again` for x86-64: `mov $34,%eax; syscall; jmp` to the start.
const CODE_X86_64: [u8; 9] = [0xb8, 0x22, 0, 0, 0, 0x0f, 0x05, 0xeb, 0xf7];
/// The same for ARM64, which has no `pause`: `ppoll` of nothing without an end. `mov x0..x4,#0;
/// mov x8,#73; svc #0; b` to the start.
const CODE_AARCH64: [u8; 32] = [
    0x00, 0x00, 0x80, 0xd2, 0x01, 0x00, 0x80, 0xd2, 0x02, 0x00, 0x80, 0xd2, 0x03, 0x00, 0x80, 0xd2,
    0x04, 0x00, 0x80, 0xd2, 0x28, 0x09, 0x80, 0xd2, 0x01, 0x00, 0x00, 0xd4, 0xf9, 0xff, 0xff, 0x17,
];
/// Machine numbers of the ELF header.
const MACHINE_X86_64: u16 = 62;
const MACHINE_AARCH64: u16 = 183;
/// The size of an ELF header and of the one program header after it.
const HEADERS: u64 = 64 + 56;
/// Where the program is loaded.
const BASE: u64 = 0x40_0000;
/// A tar archive consists of blocks of this size.
const BLOCK: usize = 512;

/// Whether the pod has one: where its containers share something that none of them may take along
/// when it ends, or are to be told an address before they start; and where some of them come first, so
/// that it is known when the pod begins anew.
pub(crate) fn is_needed(pod: &PodToRun) -> bool {
    let spec = &pod.spec;
    let has_own = spec.host_network != Some(true);
    (has_own && (spec.containers.len() > 1 || pod.wants_address()))
        || !spec.init_containers.is_empty()
        || (spec.share_process_namespace == Some(true) && spec.host_pid != Some(true))
        || spec.volumes.iter().any(|volume| volume.in_memory().is_some())
}

/// The body of the create call for the sandbox of this pod.
pub(crate) fn body(config: &DockerConfig, pod: &PodToRun, image: String) -> ContainerCreateBody {
    let mut labels = pod_labels(&config.fleet, pod);
    let kind = if pod.spec.init_containers.is_empty() { "true" } else { ORDERED };
    labels.insert(SANDBOX.to_owned(), kind.to_owned());
    let own = config.sandbox_image.is_none();
    let is_hosts = pod.spec.host_network == Some(true);
    let network = if is_hosts { NetworkOf::Node } else { NetworkOf::Own };
    let mut body = with_network(config, pod, network);
    let host = body.host_config.get_or_insert_default();
    host.mounts = Some(memory::held(&config.fleet, pod)).filter(|mounts| !mounts.is_empty());
    // The first process of all: it takes the ended ones whose parents are gone.
    host.init = (pod.spec.share_process_namespace == Some(true)).then_some(true);
    ContainerCreateBody {
        image: Some(image),
        entrypoint: own.then(|| vec![format!("/{PROGRAM}")]),
        labels: Some(labels),
        stop_timeout: Some(0),
        ..body
    }
}

/// Makes sure that our own image is there, and returns its name.
///
/// # Errors
/// Permanent `NoSandbox` on a machine that the program does not run on.
pub(crate) async fn ensure_image(docker: &Docker) -> Result<String, ActuatorError> {
    let name = format!("{IMAGE}:{IMAGE_TAG}");
    if is_present(docker, &name).await? {
        return Ok(name);
    }
    let version = docker.version().await.map_err(unavailable("ask the engine for its version"))?;
    let arch = version.arch.unwrap_or_default();
    let Some(program) = program(&arch) else {
        let message = format!("no sandbox program for {arch}: configure a sandbox image");
        return Err(ActuatorError::permanent("NoSandbox", message));
    };
    let options = CreateImageOptionsBuilder::new().from_src("-").repo(IMAGE).tag(IMAGE_TAG).build();
    let archive = bollard::body_full(archive(&program).into());
    let progress = docker.create_image(Some(options), Some(archive), None);
    progress.try_collect::<Vec<_>>().await.map_err(unavailable("make the sandbox image"))?;
    Ok(name)
}

/// The program as an ELF file, for a machine by Go's name.
fn program(arch: &str) -> Option<Vec<u8>> {
    match arch {
        "amd64" => Some(elf(MACHINE_X86_64, &CODE_X86_64)),
        "arm64" => Some(elf(MACHINE_AARCH64, &CODE_AARCH64)),
        _ => None,
    }
}

/// A little-endian 64-bit ELF file of one executable segment.
/// Source: System V ABI, "Object Files".
fn elf(machine: u16, code: &[u8]) -> Vec<u8> {
    let size = HEADERS + code.len() as u64;
    let mut file = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    file.extend(2_u16.to_le_bytes()); // an executable
    file.extend(machine.to_le_bytes());
    file.extend(1_u32.to_le_bytes()); // the version
    file.extend((BASE + HEADERS).to_le_bytes()); // the entry
    file.extend(64_u64.to_le_bytes()); // the program header's offset
    file.extend(0_u64.to_le_bytes()); // no section headers
    file.extend(0_u32.to_le_bytes()); // flags
    for number in [64_u16, 56, 1, 0, 0, 0] {
        file.extend(number.to_le_bytes()); // sizes and counts of the headers
    }
    file.extend(1_u32.to_le_bytes()); // loaded
    file.extend(5_u32.to_le_bytes()); // readable and executable
    for number in [0, BASE, BASE, size, size, 0x1_0000] {
        file.extend(number.to_le_bytes()); // offset, addresses, sizes, alignment
    }
    file.extend(code);
    file
}

/// A tar archive of the program alone. Source: POSIX `pax`, "ustar Interchange Format".
fn archive(program: &[u8]) -> Vec<u8> {
    let mut header = [0_u8; BLOCK];
    let mut field =
        |at: usize, text: &str| header[at..at + text.len()].copy_from_slice(text.as_bytes());
    field(0, PROGRAM);
    field(100, "0000755\0");
    field(108, "0000000\0");
    field(116, "0000000\0");
    field(124, &format!("{:011o}\0", program.len()));
    field(136, "00000000000\0");
    field(148, "        ");
    field(156, "0");
    field(257, "ustar\x0000");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let mut archive = header.to_vec();
    archive.extend(program);
    archive.resize(archive.len().next_multiple_of(BLOCK) + 2 * BLOCK, 0);
    archive
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_is_an_elf_file_whose_entry_is_its_code() {
        for (arch, code) in [("amd64", &CODE_X86_64[..]), ("arm64", &CODE_AARCH64[..])] {
            let file = program(arch).expect(arch);
            let entry = u64::from_le_bytes(file[24..32].try_into().expect("eight bytes"));
            let at = usize::try_from(entry - BASE).expect("small");
            assert_eq!(&file[at..], code, "{arch}");
        }
        assert_eq!(program("riscv64"), None);
    }

    #[test]
    fn an_archive_is_whole_blocks_and_its_sum_is_right() {
        let archive = archive(&[7; 700]);
        assert_eq!(archive.len(), 5 * BLOCK);
        let stored = std::str::from_utf8(&archive[148..154]).expect("digits");
        let stored = u32::from_str_radix(stored, 8).expect("octal");
        let outside = |at: &usize| !(148..156).contains(at);
        let sum: u32 = (0..BLOCK).filter(outside).map(|at| u32::from(archive[at])).sum();
        assert_eq!(stored, sum + 8 * u32::from(b' '));
    }
}
