/**
 * What built-in models can say about Punctual. One block a fact: the answer, the words that mark it,
 * then its questions (those that begin with `~` are held out). Answers are short and must stay true.
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
~Explain what Punctual is about.
Tell me what Punctual is.
~Explain what Punctual does.

You start it with npm start. | npm start
How do I start Punctual?
How do I run Punctual?
What is the command to start Punctual?
What starts the server?
What command starts the server?
How can I start it?
~How can I start Punctual?
~What command do I need to start Punctual?

You install it with npm ci. | npm ci
How do I install Punctual?
What is the command to install Punctual?
How can I install it?
What do I need to install?
How do I install it?
~How do I install the server?
What command installs Punctual?
~What is the command to install it?

You stop it with control C. It finishes running requests first. | control C
How do I stop Punctual?
How do I stop the server?
What is the command to stop it?
How can I end the server?
How can I stop Punctual?
~How can I stop the server?
How do I end it?
~What is the command to stop Punctual?

An SLO is the promise of how fast a request is answered. | promise
What is an SLO?
What does SLO mean?
Explain what an SLO is.
What is a service level objective?
Tell me what an SLO is.
~Tell me what SLO means.
What do you call an SLO?
~Explain what SLO means.

The metrics page shows counts and times for Prometheus. | Prometheus
What does /metrics show?
What is on the metrics page?
Where do I see metrics?
What is /metrics for?
What does the metrics page show?
Explain the metrics page.
~What is the metrics page for?
~Where do I see the metrics page?

It has the MIT licence. | MIT
What licence does Punctual have?
Is Punctual open source?
What is the licence of Punctual?
Under which licence is it?
What licence is Punctual under?
~Which licence does Punctual have?
Tell me the licence of Punctual.
~Under what licence is Punctual?

The server listens on port 8080. | 8080
Which port does the server use?
What port does Punctual listen on?
Where does the server run?
What is the address of the server?
Which port does Punctual use?
~What port does the server use?
Tell me the port of the server.
~Which port does the server listen on?

It needs Node 20.19 or newer. | 20.19
Which version of Node do I need?
What does Punctual need to run?
Does it run on Node?
What version of Node does Punctual need?
Which Node version does it need?
~What version of Node do I need?
Does it need Node?
~Which version of Node does it need?

No, it runs on a normal processor without a graphics card. | normal processor
Does Punctual need a GPU?
Do I need a graphics card?
Can it run without a GPU?
Is a GPU needed?
Do I need a GPU for Punctual?
~Does it need a graphics card?
Is a graphics card needed for Punctual?
~Do I need a GPU?

It speaks the OpenAI protocol, so your client works. | OpenAI
Which API does Punctual have?
Which protocol does the server speak?
Can I use my client?
Is there an API?
Which API does the server speak?
~Which protocol does Punctual have?
What protocol can my client use?
~Is there an API for my client?

You set a deadline in the slo field of a request. | slo field
How do I set a deadline?
Where do I put the deadline?
How can I give a request a deadline?
What field sets the deadline?
Where do I set a deadline for a request?
~How do I put a deadline on a request?
Which field has the deadline?
~Where can I set the deadline?

The request is cut, finished late, or rejected, as you choose. | finished late
What happens when a deadline is missed?
What if a request is late?
What if a request misses its deadline?
What does Punctual do if a deadline is missed?
What happens if a request misses its deadline?
~What does Punctual do if a request is late?
What comes after a missed deadline?
~What happens when a request is late?

There are four classes: latency, deadline, compound and best effort. | four classes
Which SLO classes are there?
What classes of requests are there?
How many SLO classes exist?
Tell me the SLO classes.
What SLO classes are there?
~How many classes of requests are there?
Tell me which SLO classes exist.
~What classes of SLO exist?

It means time to first token. | first token
What is TTFT?
What does TTFT mean?
Explain TTFT.
Tell me what TTFT is.
Explain what TTFT means.
~Tell me what TTFT means.
What is the meaning of TTFT?
~Explain what TTFT is.

It means time per output token. | per output token
What is TPOT?
What does TPOT mean?
Explain TPOT.
Tell me what TPOT is.
Explain what TPOT means.
~Tell me what TPOT means.
What is the meaning of TPOT?
~Explain what TPOT is.

A token is a small piece of text. | piece of text
What is a token?
What does token mean?
Explain what a token is.
Explain what token means.
Tell me what a token means.
~Tell me what a token is.
What is the meaning of token?
~What does a token mean?

You train a built-in model with punctual train. | punctual train
How do I train a model?
What is the command to train a model?
What trains a model?
How are the models trained?
What command trains a model?
How can I train my model?
~How can I train a model?
~What is the command to train my model?

The doctor command checks your machine. | doctor
How do I check my machine?
What does the doctor command do?
What is punctual doctor?
Something does not work, what do I check?
What is the doctor command?
~How can I check my machine?
What checks my machine?
~What does punctual doctor do?

A claim is a measured promise with a baseline. | measured promise
What is a claim?
What are claims in Punctual?
Explain what a claim is.
What does punctual claim do?
Tell me what a claim is.
~What does a claim do?
Explain claims in Punctual.
~Tell me what claims are.

It is written in TypeScript. | written in
Which language is Punctual written in?
What is Punctual written in?
In which language is it made?
What language does Punctual use?
What language is Punctual written in?
~Which language does Punctual use?
Tell me the language of Punctual.
~In what language is Punctual written?

The thinking budget limits how many steps I may write. | limits how many steps
What is a thinking budget?
What does the thinking budget do?
Explain the thinking budget.
How do I limit thinking?
Tell me what the thinking budget does.
~Tell me what a thinking budget is.
How do I set the thinking budget?
~Explain what the thinking budget does.

Chunked prefill reads a long prompt in small parts. | small parts
What is chunked prefill?
What does chunked prefill do?
Explain chunked prefill.
How are long prompts read?
Tell me what chunked prefill is.
How does Punctual read long prompts?
~Tell me what chunked prefill does.
~Explain what chunked prefill is.

The cache keeps keys and values of tokens in pages. | keys and values
What is the KV cache?
What does the KV cache do?
Explain the KV cache.
What is in the cache?
Tell me what the KV cache is.
~What does the cache do?
Where are keys and values of tokens kept?
~Explain what the KV cache does.

Continuous batching lets requests join at every step. | join at every step
What is continuous batching?
What does continuous batching do?
Explain continuous batching.
How are requests batched?
Tell me what continuous batching is.
~Tell me what continuous batching does.
How does Punctual batch requests?
~Explain what continuous batching is.

When it is full, the server sends error 429. | 429
What happens when the queue is full?
What if the server is full?
What does the server do when it is full?
Which error comes when the queue is full?
What does the server do when the queue is full?
~What happens when the server is full?
Which error does a full server send?
~What if the queue is full?

Yes, answers are streamed token by token. | token by token
Can Punctual stream?
Are answers streamed?
Does the server stream tokens?
Is streaming possible?
Does Punctual stream answers?
~Does Punctual stream tokens?
Can the server send tokens as they come?
~Can the server stream answers?

Everything stays on your machine. | stays on your machine
Where does my data go?
Is my data safe?
Do you send my data to the cloud?
Who can see my data?
Where is my data?
Does my data leave my machine?
~Who can see data on my machine?
~Is my data safe on my machine?

The models know the house, the shop, sums and Punctual. | sums and Punctual
What do the models know?
What are the models trained on?
Which things do the models know?
What can the models do?
What things can the models do?
~What things do the models know?
What have the models learned?
~Which things can the models do?

The tools are lights, heating, timers, music, lists and orders. | lights, heating
Which tools do you have?
What tools are there?
Tell me your tools.
Which tools can you call?
What tools can you call?
What kind of tools can you use?
~Tell me which tools you have.
~Which tools are there?

The scheduler decides which request runs in each step. | decides which request
What is the scheduler?
What does the scheduler do?
Explain the scheduler.
Who decides which request runs?
Tell me what the scheduler does.
~Tell me what the scheduler is.
What decides which request runs?
~Explain what the scheduler does.

The weights are stored as safetensors files. | safetensors
How are the weights stored?
Where are the weights?
Which format do the models have?
What format are the weights in?
Which format are the weights stored in?
~Where are the weights stored?
What files hold the weights?
~What format do the weights have?

You add the package punctual with npm install. | npm install
How do I use Punctual in my project?
How do I add Punctual to my project?
How can I use it as a library?
Is Punctual a library?
How do I use Punctual as a library?
~Can I use Punctual as a library?
How can my project use Punctual?
~How can I add Punctual to my project?

The example files are in the examples folder. | examples folder
Where are the examples?
Are there examples?
Where do I find an example?
Do you have an example?
Where do I find the examples?
~Do you have examples?
Which folder has the examples?
~Where is an example?

The guides are in the docs folder. | docs folder
Where is the documentation?
Where do I find the docs?
Is there a guide?
Where can I read more?
Where do I find a guide?
~Where do I find the documentation?
Which folder has the guides?
~Where are the docs?

You run the tests with npm test. | npm test
How do I run the tests?
What is the command to test it?
How can I test Punctual?
How is Punctual tested?
How can I run the tests?
~How do I test Punctual?
What command runs the tests?
~What is the command to run the tests?
`;

export const FACTS: readonly Fact[] = PACKED.trim()
  .split("\n\n")
  .map((block) => {
    const [head = "", ...questions] = block.split("\n");
    const [answer = "", key = ""] = head.split(" | ");
    return { answer, key, questions: questions.join("\n") };
  });
