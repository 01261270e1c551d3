// Curator's recipes on one server; prints `ok NAME` or `not ok NAME`.
//   java -cp <jars> Recipes.java HOST:PORT
// With a second argument it is one of the lock's processes.

import java.net.InetSocketAddress;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.CuratorFrameworkFactory;
import org.apache.curator.framework.recipes.atomic.DistributedAtomicLong;
import org.apache.curator.framework.recipes.barriers.DistributedBarrier;
import org.apache.curator.framework.recipes.barriers.DistributedDoubleBarrier;
import org.apache.curator.framework.recipes.cache.CuratorCache;
import org.apache.curator.framework.recipes.cache.CuratorCacheListener;
import org.apache.curator.framework.recipes.leader.LeaderLatch;
import org.apache.curator.framework.recipes.leader.LeaderSelector;
import org.apache.curator.framework.recipes.leader.LeaderSelectorListenerAdapter;
import org.apache.curator.framework.recipes.locks.InterProcessMutex;
import org.apache.curator.framework.recipes.locks.InterProcessReadWriteLock;
import org.apache.curator.framework.recipes.locks.InterProcessSemaphoreV2;
import org.apache.curator.framework.recipes.nodes.GroupMember;
import org.apache.curator.framework.recipes.nodes.PersistentNode;
import org.apache.curator.framework.recipes.queue.SimpleDistributedQueue;
import org.apache.curator.framework.recipes.shared.SharedCount;
import org.apache.curator.framework.recipes.watch.PersistentWatcher;
import org.apache.curator.retry.RetryNTimes;
import org.apache.curator.x.discovery.ServiceDiscovery;
import org.apache.curator.x.discovery.ServiceDiscoveryBuilder;
import org.apache.curator.x.discovery.ServiceInstance;
import org.apache.zookeeper.CreateMode;

public class Recipes {
    static String hosts;
    static int failed;

    interface Body {
        void run() throws Exception;
    }

    static CuratorFramework client() throws Exception {
        CuratorFramework made = CuratorFrameworkFactory.newClient(hosts, 10000, 10000, new RetryNTimes(5, 200));
        made.start();
        made.blockUntilConnected(20, TimeUnit.SECONDS);
        return made;
    }

    static void check(String name, Body body) {
        try {
            body.run();
            System.out.println("ok " + name);
        } catch (Throwable error) {
            failed++;
            System.out.println("not ok " + name + ": " + error);
        }
    }

    static void that(boolean condition, String text) {
        if (!condition) {
            throw new IllegalStateException(text);
        }
    }

    static void await(Callable<Boolean> condition, String text) throws Exception {
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(15);
        while (!condition.call()) {
            that(System.nanoTime() < deadline, text);
            Thread.sleep(20);
        }
    }

    /** One of the processes that add to a number under the lock. */
    static void addUnderLock(int times) throws Exception {
        try (CuratorFramework mine = client()) {
            InterProcessMutex mutex = new InterProcessMutex(mine, "/mutex");
            for (int i = 0; i < times; i++) {
                mutex.acquire();
                try {
                    int value = Integer.parseInt(new String(mine.getData().forPath("/sum")));
                    mine.setData().forPath("/sum", Integer.toString(value + 1).getBytes());
                } finally {
                    mutex.release();
                }
            }
        }
    }

    static void mutex() throws Exception {
        try (CuratorFramework one = client()) {
            one.create().forPath("/sum", "0".getBytes());
            List<Process> processes = new ArrayList<>();
            for (int i = 0; i < 3; i++) {
                String java = ProcessHandle.current().info().command().orElse("java");
                processes.add(new ProcessBuilder(java, "-Xmx128m", "-cp", System.getProperty("java.class.path"),
                    source(), hosts, "20").inheritIO().start());
            }
            addUnderLock(20);
            for (Process process : processes) {
                that(process.waitFor() == 0, "a process failed");
            }
            that(new String(one.getData().forPath("/sum")).equals("80"), "an update was lost");
        }
    }

    static String source() {
        return System.getenv("RECIPES_SOURCE");
    }

    static void readWriteLock() throws Exception {
        try (CuratorFramework one = client(); CuratorFramework two = client()) {
            InterProcessReadWriteLock first = new InterProcessReadWriteLock(one, "/rw");
            InterProcessReadWriteLock second = new InterProcessReadWriteLock(two, "/rw");
            first.readLock().acquire();
            that(second.readLock().acquire(5, TimeUnit.SECONDS), "two readers");
            that(!second.writeLock().acquire(200, TimeUnit.MILLISECONDS), "a writer beside readers");
            second.readLock().release();
            first.readLock().release();
            that(second.writeLock().acquire(5, TimeUnit.SECONDS), "a writer alone");
            second.writeLock().release();
        }
    }

    static void semaphore() throws Exception {
        try (CuratorFramework one = client()) {
            InterProcessSemaphoreV2 semaphore = new InterProcessSemaphoreV2(one, "/semaphore", 2);
            var first = semaphore.acquire();
            semaphore.acquire();
            that(semaphore.acquire(200, TimeUnit.MILLISECONDS) == null, "a third lease of two");
            semaphore.returnLease(first);
            that(semaphore.acquire(5, TimeUnit.SECONDS) != null, "a lease that was returned");
        }
    }

    static void leaderLatch() throws Exception {
        List<CuratorFramework> clients = new ArrayList<>();
        List<LeaderLatch> latches = new ArrayList<>();
        for (int i = 0; i < 3; i++) {
            clients.add(client());
            latches.add(new LeaderLatch(clients.get(i), "/latch", "l" + i));
            latches.get(i).start();
        }
        while (!latches.isEmpty()) {
            await(() -> latches.stream().filter(LeaderLatch::hasLeadership).count() == 1, "one leader");
            LeaderLatch leader = latches.stream().filter(LeaderLatch::hasLeadership).findFirst().get();
            latches.remove(leader);
            leader.close();
        }
        clients.forEach(CuratorFramework::close);
    }

    static void leaderSelector() throws Exception {
        try (CuratorFramework one = client(); CuratorFramework two = client()) {
            CountDownLatch led = new CountDownLatch(4);
            AtomicInteger inside = new AtomicInteger();
            List<LeaderSelector> selectors = new ArrayList<>();
            for (CuratorFramework each : List.of(one, two)) {
                LeaderSelector selector = new LeaderSelector(each, "/selector", new LeaderSelectorListenerAdapter() {
                    public void takeLeadership(CuratorFramework framework) throws Exception {
                        that(inside.incrementAndGet() == 1, "two leaders");
                        Thread.sleep(20);
                        inside.decrementAndGet();
                        led.countDown();
                    }
                });
                selector.autoRequeue();
                selector.start();
                selectors.add(selector);
            }
            that(led.await(15, TimeUnit.SECONDS), "leadership goes round");
            selectors.forEach(LeaderSelector::close);
        }
    }

    static void barrier() throws Exception {
        try (CuratorFramework one = client(); CuratorFramework two = client()) {
            DistributedBarrier barrier = new DistributedBarrier(one, "/barrier");
            barrier.setBarrier();
            that(!new DistributedBarrier(two, "/barrier").waitOnBarrier(200, TimeUnit.MILLISECONDS), "it is closed");
            CountDownLatch passed = new CountDownLatch(1);
            Thread waiting = new Thread(() -> {
                try {
                    new DistributedBarrier(two, "/barrier").waitOnBarrier();
                    passed.countDown();
                } catch (Exception ignored) {
                    // The latch tells.
                }
            });
            waiting.start();
            barrier.removeBarrier();
            that(passed.await(10, TimeUnit.SECONDS), "it opens");
        }
    }

    static void doubleBarrier() throws Exception {
        try (CuratorFramework one = client(); CuratorFramework two = client()) {
            CountDownLatch done = new CountDownLatch(2);
            for (CuratorFramework each : List.of(one, two)) {
                new Thread(() -> {
                    try {
                        DistributedDoubleBarrier gate = new DistributedDoubleBarrier(each, "/double", 2);
                        gate.enter();
                        gate.leave();
                        done.countDown();
                    } catch (Exception ignored) {
                        // The latch tells.
                    }
                }).start();
            }
            that(done.await(15, TimeUnit.SECONDS), "both came and went");
        }
    }

    static void queue() throws Exception {
        try (CuratorFramework one = client(); CuratorFramework two = client()) {
            SimpleDistributedQueue out = new SimpleDistributedQueue(one, "/queue");
            SimpleDistributedQueue in = new SimpleDistributedQueue(two, "/queue");
            for (int i = 0; i < 20; i++) {
                out.offer(Integer.toString(i).getBytes());
            }
            for (int i = 0; i < 20; i++) {
                that(new String(in.take()).equals(Integer.toString(i)), "in order");
            }
            that(in.poll(200, TimeUnit.MILLISECONDS) == null, "empty");
        }
    }

    static void discovery() throws Exception {
        try (CuratorFramework one = client(); CuratorFramework two = client()) {
            ServiceInstance<Void> instance = ServiceInstance.<Void>builder().name("mail").port(25).address("h").build();
            ServiceDiscovery<Void> here = ServiceDiscoveryBuilder.builder(Void.class).client(one).basePath("/services")
                .thisInstance(instance).build();
            ServiceDiscovery<Void> there = ServiceDiscoveryBuilder.builder(Void.class).client(two).basePath("/services").build();
            here.start();
            there.start();
            var provider = there.serviceProviderBuilder().serviceName("mail").build();
            provider.start();
            await(() -> provider.getInstance() != null, "found");
            that(provider.getInstance().getPort() == 25, "the port");
            here.close();
            await(() -> there.queryForInstances("mail").isEmpty(), "gone");
            provider.close();
            there.close();
        }
    }

    static void cache() throws Exception {
        try (CuratorFramework one = client(); CuratorFramework two = client()) {
            one.create().forPath("/cached");
            BlockingQueue<String> heard = new LinkedBlockingQueue<>();
            CuratorCache cache = CuratorCache.build(one, "/cached");
            cache.listenable().addListener(CuratorCacheListener.builder()
                .forCreates(node -> heard.add("created " + node.getPath()))
                .forChanges((old, node) -> heard.add("changed " + node.getPath()))
                .forDeletes(node -> heard.add("deleted " + node.getPath())).build());
            cache.start();
            that("created /cached".equals(heard.poll(10, TimeUnit.SECONDS)), "the root");
            for (String path : List.of("/cached/a", "/cached/a/b")) {
                two.create().forPath(path, new byte[] {1});
                that(("created " + path).equals(heard.poll(10, TimeUnit.SECONDS)), path);
            }
            two.setData().forPath("/cached/a/b", new byte[] {2});
            that("changed /cached/a/b".equals(heard.poll(10, TimeUnit.SECONDS)), "a change");
            two.delete().forPath("/cached/a/b");
            that("deleted /cached/a/b".equals(heard.poll(10, TimeUnit.SECONDS)), "a deletion");
            that(cache.size() == 2, "two are left");
            cache.close();
        }
    }

    static void persistentWatcher() throws Exception {
        try (CuratorFramework one = client(); CuratorFramework two = client()) {
            one.create().forPath("/watched");
            BlockingQueue<String> heard = new LinkedBlockingQueue<>();
            PersistentWatcher watcher = new PersistentWatcher(one, "/watched", true);
            CountDownLatch ready = new CountDownLatch(1);
            watcher.getResetListenable().addListener(ready::countDown);
            watcher.getListenable().addListener(event -> heard.add(event.getType() + " " + event.getPath()));
            watcher.start();
            that(ready.await(10, TimeUnit.SECONDS), "set");
            two.create().forPath("/watched/x");
            two.setData().forPath("/watched/x", new byte[] {1});
            two.delete().forPath("/watched/x");
            for (String type : List.of("NodeCreated", "NodeDataChanged", "NodeDeleted")) {
                String event = heard.poll(10, TimeUnit.SECONDS);
                that((type + " /watched/x").equals(event), type + " and not " + event);
            }
            watcher.close();
        }
    }

    static void counters() throws Exception {
        try (CuratorFramework one = client(); CuratorFramework two = client()) {
            DistributedAtomicLong number = new DistributedAtomicLong(one, "/long", new RetryNTimes(10, 10));
            DistributedAtomicLong same = new DistributedAtomicLong(two, "/long", new RetryNTimes(10, 10));
            for (int i = 0; i < 10; i++) {
                that(number.increment().succeeded() && same.increment().succeeded(), "increments");
            }
            that(number.get().postValue() == 20, "twenty");
            SharedCount shared = new SharedCount(one, "/shared", 0);
            SharedCount other = new SharedCount(two, "/shared", 0);
            shared.start();
            other.start();
            shared.setCount(7);
            await(() -> other.getCount() == 7, "seven");
            shared.close();
            other.close();
        }
    }

    static void nodes() throws Exception {
        try (CuratorFramework one = client(); CuratorFramework two = client()) {
            GroupMember first = new GroupMember(one, "/group", "first");
            GroupMember second = new GroupMember(two, "/group", "second");
            first.start();
            second.start();
            await(() -> first.getCurrentMembers().size() == 2, "two members");
            second.close();
            await(() -> first.getCurrentMembers().size() == 1, "one member");
            first.close();
            PersistentNode node = new PersistentNode(one, CreateMode.EPHEMERAL, false, "/persistent", new byte[] {1});
            node.start();
            that(node.waitForInitialCreate(10, TimeUnit.SECONDS), "created");
            two.delete().forPath("/persistent");
            await(() -> two.checkExists().forPath("/persistent") != null, "created again");
            node.close();
        }
    }

    static void containersAndTransactions() throws Exception {
        try (CuratorFramework one = client()) {
            one.create().creatingParentContainersIfNeeded().forPath("/deep/er/est", new byte[] {1});
            one.create().withTtl(100000).withMode(CreateMode.PERSISTENT_WITH_TTL).forPath("/ttl");
            one.transaction().forOperations(
                one.transactionOp().create().forPath("/tx"),
                one.transactionOp().setData().withVersion(0).forPath("/tx", new byte[] {1}),
                one.transactionOp().check().withVersion(1).forPath("/tx"),
                one.transactionOp().delete().forPath("/tx"));
            that(one.checkExists().forPath("/tx") == null, "all four");
            one.delete().guaranteed().deletingChildrenIfNeeded().forPath("/deep");
            one.sync().forPath("/");
        }
    }

    public static void main(String[] arguments) throws Exception {
        hosts = arguments[0];
        if (arguments.length > 1) {
            addUnderLock(Integer.parseInt(arguments[1]));
            return;
        }
        check("InterProcessMutex", Recipes::mutex);
        check("InterProcessReadWriteLock", Recipes::readWriteLock);
        check("InterProcessSemaphoreV2", Recipes::semaphore);
        check("LeaderLatch", Recipes::leaderLatch);
        check("LeaderSelector", Recipes::leaderSelector);
        check("DistributedBarrier", Recipes::barrier);
        check("DistributedDoubleBarrier", Recipes::doubleBarrier);
        check("SimpleDistributedQueue", Recipes::queue);
        check("ServiceDiscovery", Recipes::discovery);
        check("CuratorCache", Recipes::cache);
        check("PersistentWatcher", Recipes::persistentWatcher);
        check("DistributedAtomicLong-SharedCount", Recipes::counters);
        check("GroupMember-PersistentNode", Recipes::nodes);
        check("containers-and-transactions", Recipes::containersAndTransactions);
        System.exit(failed == 0 ? 0 : 1);
    }
}
