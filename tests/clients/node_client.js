// A session of node-zookeeper-client with every call it has; prints `ok NAME` or `not ok NAME`.
//   node node_client.js HOST:PORT
'use strict';
const zookeeper = require('node-zookeeper-client');
const client = zookeeper.createClient(process.argv[2], { sessionTimeout: 10000 });
const { CreateMode, ACL, Exception } = zookeeper;

let failed = 0;
function call(method, ...args) {
    return new Promise((resolve, reject) => {
        client[method](...args, (error, ...results) => (error ? reject(error) : resolve(results)));
    });
}
async function check(name, body) {
    try {
        await body();
        console.log(`ok ${name}`);
    } catch (error) {
        failed += 1;
        console.log(`not ok ${name}: ${error}`);
    }
}
function equal(left, right) {
    if (String(left) !== String(right)) throw new Error(`${left} is not ${right}`);
}
async function refused(code, promise) {
    try {
        await promise;
    } catch (error) {
        return equal(error.getCode(), code);
    }
    throw new Error('was not refused');
}

client.once('connected', async () => {
    await check('create', async () => equal((await call('create', '/node', Buffer.from('a')))[0], '/node'));
    await check('create-again', () => refused(Exception.NODE_EXISTS, call('create', '/node')));
    await check('get', async () => {
        const [data, stat] = await call('getData', '/node', null);
        equal(data, 'a');
        equal(stat.version, 0);
    });
    await check('get-missing', () => refused(Exception.NO_NODE, call('getData', '/missing', null)));
    await check('set', async () => equal((await call('setData', '/node', Buffer.from('b'), 0))[0].version, 1));
    await check('set-stale', () => refused(Exception.BAD_VERSION, call('setData', '/node', Buffer.from('c'), 7)));
    await check('exists', async () => equal((await call('exists', '/missing', null))[0], null));
    await check('sequential', async () => {
        const [first] = await call('create', '/node/s-', null, CreateMode.PERSISTENT_SEQUENTIAL);
        equal(first, '/node/s-0000000000');
    });
    await check('ephemeral', async () => {
        await call('create', '/ephemeral', null, CreateMode.EPHEMERAL);
        const [stat] = await call('exists', '/ephemeral', null);
        equal(stat.ephemeralOwner.equals(client.getSessionId()), true);
    });
    await check('children', async () => equal((await call('getChildren', '/node', null))[0], 's-0000000000'));
    await check('watch', async () => {
        const heard = new Promise((resolve) => client.getData('/node', resolve, () => {}));
        await call('setData', '/node', Buffer.from('d'), -1);
        equal((await heard).getPath(), '/node');
    });
    await check('child-watch', async () => {
        const heard = new Promise((resolve) => client.getChildren('/node', resolve, () => {}));
        await call('create', '/node/child');
        equal((await heard).getName(), 'NODE_CHILDREN_CHANGED');
    });
    await check('acl', async () => {
        await call('setACL', '/node/child', ACL.READ_ACL_UNSAFE, -1);
        equal((await call('getACL', '/node/child'))[0].length, 1);
        await refused(Exception.NO_AUTH, call('setData', '/node/child', Buffer.from('x'), -1));
    });
    await check('mkdirp', async () => equal((await call('mkdirp', '/a/b/c'))[0], '/a/b/c'));
    await check('transaction', async () => {
        const transaction = client.transaction();
        transaction.create('/t').setData('/t', Buffer.from('x'), 0).check('/t', 1).create('/t/u').remove('/t/u', 0);
        const results = await new Promise((resolve, reject) =>
            transaction.commit((error, done) => (error ? reject(error) : resolve(done))));
        equal(results.length, 5);
    });
    await check('failed-transaction', async () => {
        const transaction = client.transaction().create('/never').check('/t', 99);
        const error = await new Promise((resolve) => transaction.commit((e) => resolve(e)));
        equal(error.getCode(), Exception.BAD_VERSION);
        equal((await call('exists', '/never', null))[0], null);
    });
    await check('auth', async () => {
        client.addAuthInfo('digest', Buffer.from('user:password'));
        await call('create', '/private', null, ACL.CREATOR_ALL_ACL);
        await call('getData', '/private', null);
    });
    await check('remove', async () => call('remove', '/ephemeral', -1));
    await check('remove-not-empty', () => refused(Exception.NOT_EMPTY, call('remove', '/node', -1)));
    client.once('disconnected', () => process.exit(failed ? 1 : 0));
    client.close();
});
setTimeout(() => { console.log('not ok ends-in-time'); process.exit(1); }, 60000);
client.connect();
