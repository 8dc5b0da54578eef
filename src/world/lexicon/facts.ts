/**
 * What built-in models can say about Punctual. One block a fact: the answer, the words that mark it,
 * then its questions (every fifth is held out). Answers are short and must stay true.
 */

export interface Fact {
  readonly answer: string;
  /** A part of the answer that no other answer has. */
  readonly key: string;
  readonly questions: string;
}

const PACKED = `
Punctual is an AI runtime for TypeScript that keeps deadlines. | runtime for TypeScript
What is Punctual?
Tell me about Punctual.
What does Punctual do?
Explain Punctual.
What is Punctual about?

You start it with npm start. | npm start
How do I start Punctual?
How do I run Punctual?
What is the command to start Punctual?
What starts the server?
What command starts the server?

You install it with npm ci. | npm ci
How do I install Punctual?
What is the command to install Punctual?
How can I install it?
What do I need to install?
How do I install it?

You stop it with control C. It finishes running requests first. | control C
How do I stop Punctual?
How do I stop the server?
What is the command to stop it?
How can I end the server?
How can I stop Punctual?

An SLO is the promise of how fast a request is answered. | promise
What is an SLO?
What does SLO mean?
Explain what an SLO is.
What is a service level objective?
Tell me what an SLO is.

The metrics page shows counts and times for Prometheus. | Prometheus
What does /metrics show?
What is on the metrics page?
Where do I see metrics?
What is /metrics for?
What does the metrics page show?

It has the MIT licence. | MIT
What licence does Punctual have?
Is Punctual open source?
What is the licence of Punctual?
Under which licence is it?
What licence is Punctual under?

The server listens on port 8080. | 8080
Which port does the server use?
What port does Punctual listen on?
Where does the server run?
What is the address of the server?
Which port does Punctual use?

It needs Node 20.19 or newer. | 20.19
Which version of Node do I need?
What does Punctual need to run?
Does it run on Node?
What version of Node does Punctual need?
Which Node version does it need?

No, it runs on a normal processor without a graphics card. | normal processor
Does Punctual need a GPU?
Do I need a graphics card?
Can it run without a GPU?
Is a GPU needed?
Do I need a GPU for Punctual?

It speaks the OpenAI protocol, so your client works. | OpenAI
Which API does Punctual have?
Which protocol does the server speak?
Can I use my client?
Is there an API?
Which API does the server speak?

You set a deadline in the slo field of a request. | slo field
How do I set a deadline?
Where do I put the deadline?
How can I give a request a deadline?
What field sets the deadline?
Where do I set a deadline for a request?

The request is cut, finished late, or rejected, as you choose. | finished late
What happens when a deadline is missed?
What if a request is late?
What if a request misses its deadline?
What does Punctual do if a deadline is missed?
What happens if a request misses its deadline?

There are four classes: latency, deadline, compound and best effort. | four classes
Which SLO classes are there?
What classes of requests are there?
How many SLO classes exist?
Tell me the SLO classes.
What SLO classes are there?

It means time to first token. | first token
What is TTFT?
What does TTFT mean?
Explain TTFT.
Tell me what TTFT is.
Explain what TTFT means.

It means time per output token. | per output token
What is TPOT?
What does TPOT mean?
Explain TPOT.
Tell me what TPOT is.
Explain what TPOT means.

A token is a small piece of text. | piece of text
What is a token?
What does token mean?
Explain what a token is.
Explain what token means.
Tell me what a token means.

You train a built-in model with punctual train. | punctual train
How do I train a model?
What is the command to train a model?
What trains a model?
How are the models trained?
What command trains a model?

The doctor command checks your machine. | doctor
How do I check my machine?
What does the doctor command do?
What is punctual doctor?
Something does not work, what do I check?
What is the doctor command?

A claim is a measured promise with a baseline. | measured promise
What is a claim?
What are claims in Punctual?
Explain what a claim is.
What does punctual claim do?
Tell me what a claim is.

It is written in TypeScript. | written in
Which language is Punctual written in?
What is Punctual written in?
In which language is it made?
What language does Punctual use?
What language is Punctual written in?

The thinking budget limits how many steps I may write. | limits how many steps
What is a thinking budget?
What does the thinking budget do?
Explain the thinking budget.
How do I limit thinking?
Tell me what the thinking budget does.

Chunked prefill reads a long prompt in small parts. | small parts
What is chunked prefill?
What does chunked prefill do?
Explain chunked prefill.
How are long prompts read?
Tell me what chunked prefill is.

The cache keeps keys and values of tokens in pages. | keys and values
What is the KV cache?
What does the KV cache do?
Explain the KV cache.
What is in the cache?
Tell me what the KV cache is.

Continuous batching lets requests join at every step. | join at every step
What is continuous batching?
What does continuous batching do?
Explain continuous batching.
How are requests batched?
Tell me what continuous batching is.

When it is full, the server sends error 429. | 429
What happens when the queue is full?
What if the server is full?
What does the server do when it is full?
Which error comes when the queue is full?
What does the server do when the queue is full?

Yes, answers are streamed token by token. | token by token
Can Punctual stream?
Are answers streamed?
Does the server stream tokens?
Is streaming possible?
Does Punctual stream answers?

Everything stays on your machine. | stays on your machine
Where does my data go?
Is my data safe?
Do you send my data to the cloud?
Who can see my data?
Where is my data?

The models know the house, the shop, sums and Punctual. | sums and Punctual
What do the models know?
What are the models trained on?
Which things do the models know?
What can the models do?
What things can the models do?

The tools are lights, heating, timers, music, lists and orders. | lights, heating
Which tools do you have?
What tools are there?
Tell me your tools.
Which tools can you call?
What tools can you call?

The scheduler decides which request runs in each step. | decides which request
What is the scheduler?
What does the scheduler do?
Explain the scheduler.
Who decides which request runs?
Tell me what the scheduler does.

The weights are stored as safetensors files. | safetensors
How are the weights stored?
Where are the weights?
Which format do the models have?
What format are the weights in?
Which format are the weights stored in?

You add the package punctual with npm install. | npm install
How do I use Punctual in my project?
How do I add Punctual to my project?
How can I use it as a library?
Is Punctual a library?
How do I use Punctual as a library?

The example files are in the examples folder. | examples folder
Where are the examples?
Are there examples?
Where do I find an example?
Do you have an example?
Where do I find the examples?

The guides are in the docs folder. | docs folder
Where is the documentation?
Where do I find the docs?
Is there a guide?
Where can I read more?
Where do I find a guide?

You run the tests with npm test. | npm test
How do I run the tests?
What is the command to test it?
How can I test Punctual?
How is Punctual tested?
How can I run the tests?
`;

export const FACTS: readonly Fact[] = PACKED.trim()
  .split("\n\n")
  .map((block) => {
    const [head = "", ...questions] = block.split("\n");
    const [answer = "", key = ""] = head.split(" | ");
    return { answer, key, questions: questions.join("\n") };
  });
