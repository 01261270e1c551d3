// One of several that use the same nodes: Curator's part of tests/recipes.rs.
//   java -cp <jars> Together.java HOST:PORT WHAT PATH ROUNDS [FOLDER]
// Each round is one turn; what is done in a turn is told in files of FOLDER, or printed.

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Collection;
import java.util.concurrent.TimeUnit;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.CuratorFrameworkFactory;
import org.apache.curator.framework.recipes.atomic.DistributedAtomicLong;
import org.apache.curator.framework.recipes.barriers.DistributedBarrier;
import org.apache.curator.framework.recipes.barriers.DistributedDoubleBarrier;
import org.apache.curator.framework.recipes.leader.LeaderLatch;
import org.apache.curator.framework.recipes.leader.LeaderSelector;
import org.apache.curator.framework.recipes.leader.LeaderSelectorListenerAdapter;
import org.apache.curator.framework.recipes.locks.InterProcessMutex;
import org.apache.curator.framework.recipes.locks.InterProcessReadWriteLock;
import org.apache.curator.framework.recipes.locks.InterProcessSemaphoreV2;
import org.apache.curator.framework.recipes.locks.Lease;
import org.apache.curator.framework.recipes.nodes.GroupMember;
import org.apache.curator.framework.recipes.queue.SimpleDistributedQueue;
import org.apache.curator.framework.recipes.shared.SharedCount;
import org.apache.curator.retry.RetryNTimes;
import org.apache.curator.x.discovery.ServiceDiscovery;
import org.apache.curator.x.discovery.ServiceDiscoveryBuilder;
import org.apache.curator.x.discovery.ServiceInstance;

public class Together {
    static CuratorFramework client;
    static Path folder;

    /** The lock's node is the fencing token's source, and only its heirs may ask for it. */
    static class Mutex extends InterProcessMutex {
        Mutex(String path) {
            super(client, path);
        }

        String node() {
            return getLockPath();
        }
    }

    static long token(String node) throws Exception {
        return client.checkExists().forPath(node).getCzxid();
    }

    /** Alone: the file cannot be made twice. */
    static void section(String line) throws IOException {
        Path inside = folder.resolve("inside");
        Files.createFile(inside);
        Files.writeString(folder.resolve("order"), line + " curator\n", StandardOpenOption.CREATE, StandardOpenOption.APPEND);
        Files.delete(inside);
    }

    static void mutex(String path, int rounds) throws Exception {
        Mutex mutex = new Mutex(path);
        for (int i = 0; i < rounds; i++) {
            mutex.acquire();
            section(Long.toString(token(mutex.node())));
            mutex.release();
        }
    }

    static void readersAndWriters(String path, int rounds) throws Exception {
        InterProcessReadWriteLock lock = new InterProcessReadWriteLock(client, path);
        for (int i = 0; i < rounds; i++) {
            lock.writeLock().acquire();
            section("-");
            lock.writeLock().release();
            lock.readLock().acquire();
            if (Files.exists(folder.resolve("inside"))) {
                throw new IllegalStateException("a writer is in beside a reader");
            }
            lock.readLock().release();
        }
    }

    static void semaphore(String path, int rounds) throws Exception {
        InterProcessSemaphoreV2 semaphore = new InterProcessSemaphoreV2(client, path, 2);
        for (int i = 0; i < rounds; i++) {
            Lease lease = semaphore.acquire();
            Path own = Files.createTempFile(folder, "lease-", "");
            try (var all = Files.list(folder)) {
                if (all.filter(file -> file.getFileName().toString().startsWith("lease-")).count() > 2) {
                    throw new IllegalStateException("more than two leases");
                }
            }
            Files.delete(own);
            semaphore.returnLease(lease);
        }
    }

    static void latch(String path, int rounds) throws Exception {
        for (int i = 0; i < rounds; i++) {
            try (LeaderLatch latch = new LeaderLatch(client, path)) {
                latch.start();
                latch.await();
                section("-");
            }
        }
    }

    static void selector(String path, int rounds) throws Exception {
        for (int i = 0; i < rounds; i++) {
            var led = new java.util.concurrent.CountDownLatch(1);
            LeaderSelector selector = new LeaderSelector(client, path, new LeaderSelectorListenerAdapter() {
                public void takeLeadership(CuratorFramework framework) throws Exception {
                    section("-");
                    led.countDown();
                }
            });
            selector.start();
            led.await();
            selector.close();
        }
    }

    static void queue(String path, int rounds) throws Exception {
        SimpleDistributedQueue queue = new SimpleDistributedQueue(client, path);
        for (int i = 0; i < rounds; i++) {
            System.out.println(new String(queue.take()));
        }
        for (int i = 0; i < rounds; i++) {
            queue.offer(("curator-" + i).getBytes());
        }
    }

    static void counters(String path, int rounds) throws Exception {
        DistributedAtomicLong number = new DistributedAtomicLong(client, path + "/long", new RetryNTimes(1000, 10));
        SharedCount count = new SharedCount(client, path + "/int", 0);
        count.start();
        for (int i = 0; i < rounds; i++) {
            if (!number.increment().succeeded()) {
                throw new IllegalStateException("not incremented");
            }
            while (!count.trySetCount(count.getVersionedValue(), count.getCount() + 1)) {
                // The value is read again by a failed try.
            }
        }
        count.close();
    }

    static void barriers(String path, int rounds) throws Exception {
        DistributedBarrier barrier = new DistributedBarrier(client, path + "/simple");
        System.out.println("waits");
        barrier.waitOnBarrier();
        barrier.setBarrier();
        for (int i = 0; i < rounds; i++) {
            DistributedDoubleBarrier both = new DistributedDoubleBarrier(client, path + "/double-" + i, 3);
            both.enter();
            both.leave();
        }
    }

    static void members(String path) throws Exception {
        GroupMember member = new GroupMember(client, path + "/group", "curator", "here".getBytes());
        member.start();
        ServiceInstance<Void> instance =
            ServiceInstance.<Void>builder().name("mail").id("curator").port(25).address("h").build();
        ServiceDiscovery<Void> discovery = ServiceDiscoveryBuilder.builder(Void.class).client(client)
            .basePath(path + "/services").thisInstance(instance).build();
        discovery.start();
        System.out.println("joined");
        // Until rk's member and instance are there, and whoever looks says that it has seen these.
        while (client.checkExists().forPath(path + "/seen") == null
            || member.getCurrentMembers().size() < 2 || discovery.queryForInstances("mail").size() < 2) {
            TimeUnit.MILLISECONDS.sleep(20);
        }
        System.out.println(new String(member.getCurrentMembers().get("rk")));
        Collection<ServiceInstance<Void>> found = discovery.queryForInstances("mail");
        for (ServiceInstance<Void> each : found) {
            System.out.println(each.getId() + " " + each.getAddress() + " " + each.getPort() + " " + each.isEnabled());
        }
        discovery.close();
        member.close();
    }

    public static void main(String[] arguments) throws Exception {
        String path = arguments[2];
        int rounds = Integer.parseInt(arguments[3]);
        folder = arguments.length > 4 ? Path.of(arguments[4]) : null;
        client = CuratorFrameworkFactory.newClient(arguments[0], 30000, 30000, new RetryNTimes(100, 200));
        client.start();
        switch (arguments[1]) {
            case "mutex" -> mutex(path, rounds);
            case "readers-writers" -> readersAndWriters(path, rounds);
            case "semaphore" -> semaphore(path, rounds);
            case "latch" -> latch(path, rounds);
            case "selector" -> selector(path, rounds);
            case "queue" -> queue(path, rounds);
            case "counters" -> counters(path, rounds);
            case "barriers" -> barriers(path, rounds);
            case "members" -> members(path);
            default -> throw new IllegalArgumentException(arguments[1]);
        }
        client.close();
        System.exit(0);
    }
}
