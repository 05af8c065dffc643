"""Image layouts of the Open Container Initiative in a tar, as bytes that depend on nothing but what is in them."""

import io
import json
import tarfile
from hashlib import sha256
from pathlib import Path

INDEX = "application/vnd.oci.image.index.v1+json"
IMAGE = "ghcr.io/linkspan/linkspan-installer"


class Layout:
    """Blobs, which descriptors name."""

    def __init__(self):
        self.blobs = {}

    def add(self, media_type, data, **more):
        """Adds a blob; returns its descriptor."""
        digest = sha256(data).hexdigest()
        self.blobs[f"blobs/sha256/{digest}"] = data
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(data), **more}

    def write(self, path, version, manifests, epoch):
        """Writes it as the image of a version: a tag stands for an index of manifests, one for each architecture."""
        named = self.add(INDEX, as_json(index(manifests)), annotations=names(version))
        files = {
            "index.json": as_json(index([named])),
            "oci-layout": as_json({"imageLayoutVersion": "1.0.0"}),
            **self.blobs,
        }
        Path(path).write_bytes(tar({name: (0o644, data) for name, data in files.items()}, epoch))


def index(manifests):
    return {"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests}


def names(version):
    """How an archive's tools call the image: containerd and podman by the second, the others by the first."""
    return {
        "org.opencontainers.image.ref.name": version,
        "io.containerd.image.name": f"{IMAGE}:{version}",
    }


def tar(content, epoch):
    """An archive of files (path to mode and bytes) and the directories that they are in, sorted, all of one time and of root."""
    directories = {str(above) for path in content for above in Path(path).parents} - {"."}
    entries = {**dict.fromkeys(directories, (0o755, None)), **content}
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w", format=tarfile.USTAR_FORMAT) as writer:
        for path, (mode, data) in sorted(entries.items()):
            entry = tarfile.TarInfo(path)
            entry.mode, entry.mtime = mode, epoch
            if data is None:
                entry.type = tarfile.DIRTYPE
                writer.addfile(entry)
            else:
                entry.size = len(data)
                writer.addfile(entry, io.BytesIO(data))
    return archive.getvalue()


def as_json(value):
    return json.dumps(value, separators=(",", ":")).encode()
