import java.io.StringReader;
import java.nio.file.*;
import java.util.*;
import org.apache.zookeeper.server.quorum.flexible.*;

/** Prints what ZooKeeper's verifiers make of each configuration of a file: see src/membership/testdata/configs.txt. */
public class ConfigTexts {
    public static void main(String[] args) throws Exception {
        System.setProperty("zookeeper.multiAddress.enabled", "true");
        String text = Files.readString(Path.of(args[0]));
        for (String block : text.split("(?m)^----.*\n")) {
            if (block.isEmpty()) {
                continue;
            }
            String input = block.split("(?m)^====\n")[0];
            System.out.print("----\n" + input + "====\n");
            Properties props = new Properties();
            props.load(new StringReader(input));
            boolean groups = false;
            for (Object key : props.keySet()) {
                groups |= key.toString().startsWith("group") || key.toString().startsWith("weight");
            }
            try {
                QuorumVerifier qv = groups ? new QuorumHierarchical(props) : new QuorumMaj(props);
                System.out.println(qv);
            } catch (Exception e) {
                System.out.println("refused");
            }
        }
    }
}
