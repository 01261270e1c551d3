import java.io.File;
import java.util.*;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.zookeeper.data.*;
import org.apache.zookeeper.server.*;
import org.apache.zookeeper.server.persistence.FileTxnSnapLog;

/** Loads data directories with ZooKeeper's own classes and prints all of them, one line a fact. */
public class TreeDump {
    public static void main(String[] args) throws Exception {
        for (String dir : args) {
            System.out.println("dir " + dir);
            load(new File(dir));
        }
    }

    static void load(File dir) throws Exception {
        DataTree tree = new DataTree();
        ConcurrentHashMap<Long, Integer> sessions = new ConcurrentHashMap<>();
        List<Long> mismatches = Collections.synchronizedList(new ArrayList<>());
        tree.addDigestWatcher(mismatches::add);
        long zxid = new FileTxnSnapLog(dir, dir).restore(tree, sessions, (h, r, d) -> { });
        System.out.println("zxid 0x" + Long.toHexString(zxid));
        System.out.println("digest 0x" + Long.toHexString(tree.getTreeDigest()));
        System.out.println("uncovered " + (tree.getDigestFromLoadedSnapshot() != null));
        System.out.println("mismatches " + mismatches);
        new TreeMap<>(sessions).forEach((id, to) ->
            System.out.println("session 0x" + Long.toHexString(id) + " " + to));
        List<String> lines = new ArrayList<>();
        walk(tree, "", lines);
        Collections.sort(lines);
        lines.forEach(System.out::println);
    }

    static void walk(DataTree tree, String path, List<String> lines) throws Exception {
        DataNode node = tree.getNode(path);
        StatPersisted s = node.stat;
        byte[] data = node.getData();
        StringBuilder out = new StringBuilder("node ").append(path.isEmpty() ? "/" : path);
        out.append(' ').append(data == null ? "null" : hex(data));
        for (long n : new long[] {s.getCzxid(), s.getMzxid(), s.getCtime(), s.getMtime(), s.getVersion(),
            s.getCversion(), s.getAversion(), s.getEphemeralOwner(), s.getPzxid()}) {
            out.append(' ').append(n);
        }
        for (ACL acl : tree.getACL(path.isEmpty() ? "/" : path, new Stat())) {
            out.append(' ').append(acl.getId().getScheme()).append(':').append(acl.getId().getId())
                .append(':').append(acl.getPerms());
        }
        lines.add(out.toString());
        for (String child : new ArrayList<>(node.getChildren())) {
            walk(tree, path + "/" + child, lines);
        }
    }

    static String hex(byte[] data) {
        StringBuilder out = new StringBuilder("x");
        for (byte b : data) {
            out.append(String.format("%02x", b));
        }
        return out.toString();
    }
}
