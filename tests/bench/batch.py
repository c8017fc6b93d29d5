# Makes or removes many images, many at a time:
#   create POOL/NAMESPACE COUNT BYTES
#   remove POOL/NAMESPACE
#   snapshot POOL/NAMESPACE IMAGE FIRST LAST
import concurrent.futures
import os
import sys

import rados
import rbd

verb, where = sys.argv[1:3]
pool, namespace = where.split("/")


def create(io, i):
    rbd.RBD().create(io, "i%05d" % i, int(sys.argv[4]))


def remove(io, name):
    with rbd.Image(io, name) as image:
        for snap in list(image.list_snaps()):
            image.remove_snap(snap["name"])
    rbd.RBD().remove(io, name)


with rados.Rados(conffile=os.environ["CEPH_CONF"]) as cluster, cluster.open_ioctx(pool) as io:
    io.set_namespace(namespace)
    with concurrent.futures.ThreadPoolExecutor(32) as workers:
        if verb == "create":
            list(workers.map(lambda i: create(io, i), range(int(sys.argv[3]))))
        elif verb == "snapshot":
            with rbd.Image(io, sys.argv[3]) as image:
                for i in range(int(sys.argv[4]), int(sys.argv[5])):
                    image.create_snap("s%03d" % i)
        else:
            # Clones before their parents: what has clones cannot be removed.
            names = rbd.RBD().list(io)
            clones, others = [], []
            for name in names:
                with rbd.Image(io, name, read_only=True) as image:
                    try:
                        image.parent_info()
                        clones.append(name)
                    except rbd.ImageNotFound:
                        others.append(name)
            list(workers.map(lambda name: remove(io, name), clones))
            list(workers.map(lambda name: remove(io, name), others))
            for image in rbd.RBD().trash_list(io):
                rbd.RBD().trash_remove(io, image["id"], True)
